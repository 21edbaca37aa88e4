"""A CT scan or a mask in one file: NIfTI, MetaImage or NRRD.

Headers are read in the modules of the formats, not by SimpleITK: its readers crash on some garbled ones, follow the
names of other files, and give a truncated NIfTI file a rest of their own.
"""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lung_ssp.ct.hounsfield import check_chest, clipped_sentence, replace_padding
from lung_ssp.ct.limits import check_grid
from lung_ssp.ct.metaimage import read_metaimage
from lung_ssp.ct.nifti import read_nifti
from lung_ssp.ct.nrrd import read_nrrd
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.voxels import NOTICEABLE_SHEAR_MM, to_image
from lung_ssp.errors import SeriesError

READERS = {
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".mha": read_metaimage,
    ".mhd": read_metaimage,
    ".nrrd": read_nrrd,
}
SUFFIXES = tuple(READERS)


def is_volume_file(path: Path) -> bool:
    """Whether a file's name says that it holds a whole volume."""
    return path.name.lower().endswith(SUFFIXES)


def read_volume(path: Path) -> tuple[Volume, list[str]]:
    """Read a CT scan in Hounsfield units, turned so that x runs to the patient's left, y to the back, z to the head.

    The values are taken as HU, and checked as those of a DICOM series are; what lies below -1024 becomes air.

    Returns:
        the scan, and what was corrected, in sentences.

    Raises:
        SeriesError: the file cannot be read, is no single three-dimensional chest scan, or holds values that are no HU.
    """
    image, shear = _load(path)
    turned = sitk.DICOMOrient(image, "LPS")
    values = sitk.GetArrayViewFromImage(turned)
    check_grid(str(path), values.shape, turned.GetSpacing()[::-1])
    if not np.isfinite([float(values.min()), float(values.max())]).all():
        raise SeriesError(
            f"{path} holds values that are no numbers, no Hounsfield units: export the scan in HU.",
            reason="implausible HU",
        )
    hu, shares = np.empty(values.shape, np.int16), []
    for index, plane in enumerate(values):
        hu[index], share = replace_padding(plane, None, f"{path}, slice {index + 1} from below,")
        shares.append(share)
    check_chest(str(path), lambda index: f"{path}, slice {index + 1} from below,", shares)
    corrections = [f"a shear of {shear:.2f} mm over the scan taken as none"] if shear > NOTICEABLE_SHEAR_MM else []
    return Volume.from_image(turned, hu=hu), corrections + clipped_sentence(shares)


def read_image(path: Path) -> sitk.Image:
    """Read a three-dimensional image with one value a voxel, a scan or a mask, in LPS coordinates.

    Raises:
        SeriesError: the file is missing, damaged, of another format or of another kind. The message begins with its
            path.
    """
    return _load(path)[0]


def _load(path: Path) -> tuple[sitk.Image, float]:
    """The image, and by how many mm over the whole of it its axes are not perpendicular."""
    suffix = next((suffix for suffix in sorted(SUFFIXES, key=len) if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        raise SeriesError(
            f"{path} cannot be read: its name must end in one of {', '.join(SUFFIXES)}.", reason="foreign file"
        )
    if not path.is_file():
        raise SeriesError(f"{path} cannot be read: there is no such file.", reason="not found")
    with np.errstate(all="ignore"):  # what is not finite is refused in words
        values, grid = READERS[suffix](path)
        return to_image(path, values, grid)
