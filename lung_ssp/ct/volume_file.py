"""A CT scan in one file: NIfTI, MHA or NRRD."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lung_ssp.ct.volume import Volume
from lung_ssp.errors import SeriesError

SUFFIXES = (".nii", ".nii.gz", ".mha", ".nrrd")  # all keep their voxels in the file itself


def is_volume_file(path: Path) -> bool:
    """Whether a file's name says that it holds a whole volume."""
    return path.name.lower().endswith(SUFFIXES)


def read_volume(path: Path) -> Volume:
    """Read a CT scan in Hounsfield units, turned so that x runs to the patient's left, y to the back, z to the head.

    SimpleITK brings every format to LPS coordinates. The values are taken as HU and rounded to whole ones.

    Raises:
        SeriesError: the file cannot be read, is no single three-dimensional scan, or holds values that are no HU.
    """
    image = read_image(path)
    values = sitk.GetArrayViewFromImage(image)
    lowest, highest = float(values.min()), float(values.max())
    if not (np.isfinite([lowest, highest]).all() and -(2**15) <= lowest < 0 and highest < 2**15):
        raise SeriesError(
            f"{path} holds values from {lowest:g} to {highest:g}, no Hounsfield units: export the scan in HU.",
            reason="implausible HU",
        )
    return Volume.from_image(sitk.DICOMOrient(image, "LPS"))


def read_image(path: Path) -> sitk.Image:
    """Read a three-dimensional image with one value a voxel, a scan or a mask.

    Raises:
        SeriesError: the file is missing, damaged, of another format or of another kind. The message begins with its
            path.
    """
    if not is_volume_file(path):
        raise SeriesError(
            f"{path} cannot be read: its name must end in one of {', '.join(SUFFIXES)}.", reason="foreign file"
        )
    if not path.is_file():
        raise SeriesError(f"{path} cannot be read: there is no such file.", reason="not found")
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise SeriesError(
            f"{path} cannot be read, it is damaged or of another format: copy it again from its source.",
            reason="damaged",
        ) from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise SeriesError(
            f"{path} has {image.GetDimension()} dimensions and {image.GetNumberOfComponentsPerPixel()} values a voxel: "
            "three dimensions and one value are needed.",
            reason="foreign file",
        )
    return image
