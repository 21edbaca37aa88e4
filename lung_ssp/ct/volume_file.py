"""A CT scan or a mask in one file: NIfTI, MetaImage or NRRD.

Headers are read in the modules of the formats, not by SimpleITK: its readers crash on some garbled ones, follow the
names of other files, and give a truncated NIfTI file a rest of their own.
"""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lung_ssp.ct.hounsfield import (
    AIR_AND_LUNG_END_HU,
    BRIGHTEST_HU,
    MOST_CLIPPED,
    check_chest,
    clipped_sentence,
    implausible,
    replace_padding,
)
from lung_ssp.ct.limits import check_grid
from lung_ssp.ct.metaimage import read_metaimage
from lung_ssp.ct.nifti import read_nifti
from lung_ssp.ct.nrrd import read_nrrd
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.voxels import NOTICEABLE_SHEAR_MM, Grid, to_image
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


def read_volume(path: Path) -> tuple[Volume, list[str], tuple[float, ...]]:
    """Read a CT scan in Hounsfield units, turned so that x runs to the patient's left, y to the back, z to the head.

    The values are taken as HU, and checked as those of a DICOM series are; what lies below -1024 becomes air.

    Returns:
        the scan; what was corrected, in sentences; and the directions of the file's own axes, as Volume.direction.

    Raises:
        SeriesError: the file cannot be read, is no single three-dimensional chest scan, or holds values that are no HU.
    """
    values, grid = _voxels(path)
    values, clipped = _whole_hu(path, values)
    image, shear = to_image(path, values, grid)
    del values
    turned = sitk.DICOMOrient(image, "LPS")
    hu = sitk.GetArrayFromImage(turned)
    check_grid(str(path), hu.shape, turned.GetSpacing()[::-1])
    shares = []
    for index, plane in enumerate(hu):
        hu[index], share = replace_padding(plane, None, f"{path}, slice {index + 1} from below,")
        shares.append(share)
    check_chest(str(path), lambda index: f"{path}, slice {index + 1} from below,", shares)
    corrections = [f"a shear of {shear:.2f} mm over the scan taken as none"] if shear > NOTICEABLE_SHEAR_MM else []
    return Volume.from_image(turned, hu=hu), corrections + clipped_sentence(clipped), image.GetDirection()


def read_image(path: Path) -> sitk.Image:
    """Read a three-dimensional image with one value a voxel, a scan or a mask, in LPS coordinates.

    Raises:
        SeriesError: the file is missing, damaged, of another format or of another kind. The message begins with its
            path.
    """
    return to_image(path, *_voxels(path))[0]


def _whole_hu(path: Path, values: np.ndarray) -> tuple[np.ndarray, int]:
    """The values as whole HU, int16, and how many of them were beyond: before copies are made of a scan that is none.

    Raises:
        SeriesError: values that are no numbers, without any air, or with too many beyond 16 bits.
    """
    lowest, highest = float(values.min()), float(values.max())
    if not np.isfinite([lowest, highest]).all() or lowest > AIR_AND_LUNG_END_HU:
        raise SeriesError(
            f"{path} holds values from {lowest:g} to {highest:g}, implausible HU for a chest: export the scan in HU.",
            reason="implausible HU",
        )
    if values.dtype == np.int16:
        return values, 0
    clipped = sum(int(np.count_nonzero(plane > BRIGHTEST_HU)) for plane in values)
    if clipped > MOST_CLIPPED * values.size:
        raise implausible(str(path), f"holds {highest:.0f} HU")
    hu = np.empty(values.shape, np.int16)
    for whole, plane in zip(hu, values, strict=True):
        whole[:] = np.rint(np.clip(plane, np.iinfo(np.int16).min, BRIGHTEST_HU))
    return hu, clipped


def _voxels(path: Path) -> tuple[np.ndarray, Grid]:
    """The voxels (z, y, x) of the file's axes, and their grid."""
    suffix = next((suffix for suffix in sorted(SUFFIXES, key=len) if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        raise SeriesError(
            f"{path} cannot be read: its name must end in one of {', '.join(SUFFIXES)}.", reason="foreign file"
        )
    if not path.is_file():
        raise SeriesError(f"{path} cannot be read: there is no such file.", reason="not found")
    with np.errstate(all="ignore"):  # what is not finite is refused in words
        return READERS[suffix](path)
