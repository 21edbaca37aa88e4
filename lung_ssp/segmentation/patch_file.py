"""Patches of lung tumours of the Medical Segmentation Decathlon, read from HDF5, and their HU."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lung_ssp.errors import CohortError, EnvironmentProblem, cut
from lung_ssp.formats import LARGEST_ARRAYS, UNREADABLE, ArrayForm

if TYPE_CHECKING:
    import h5py

PATCH_FILE = "val_patches.h5"
REMEDY = "copy the file of patches again"
FORMS = {"images": ArrayForm("f", 4), "labels": ArrayForm("fiub", 4)}
PATCHES_A_PATIENT = 10  # one after the other in the file
SPACING_MM = 2.0
# The patches hold whole HU, clipped to this window and scaled to 0..1. Their 1,101 equally spaced values give its
# width; fat, which is -120 to -90 HU in everyone, then gives its lower end: it lies at 905 of 1,100, so at -95 HU. The
# notebook of who made the patches (github.com/shizoda/education, unet_lung_cancer-en.ipynb) scales whole scans so, too.
WINDOW_HU = (-1000, 100)


@dataclass(frozen=True, eq=False)
class Patches:
    """Slices of lung tumours, each for itself.

    hu: int16 (n, y, x) at 2 mm, -1000 to 100 HU; what is denser is 100.
    tumour: bool (n, y, x), what was outlined; of some patches nothing.
    patients: int (n,), whose they are: 1, 2, ... in the order of the file.
    """

    hu: np.ndarray
    tumour: np.ndarray
    patients: np.ndarray


def read_patches(path: Path) -> Patches:
    """The patches of a file of the form of val_patches.h5.

    Args:
        path: HDF5 with `images`, float (n, 1, y, x) 0..1, and `labels`, 0 or 1 of the same shape, ten a patient.

    Raises:
        EnvironmentProblem: h5py is missing.
        CohortError: the file is missing, damaged or of another form or scaling.
    """
    try:
        import h5py
    except ImportError as error:
        raise EnvironmentProblem(
            f"{path} is HDF5 and needs h5py, which is missing: pip install 'lung-ssp[hdf5]'."
        ) from error
    try:
        with h5py.File(path, "r") as file:
            images, labels = (_array(file, name) for name in FORMS)
        _check(images, labels)
    except UNREADABLE as error:
        raise CohortError(f"{path} cannot be read ({cut(error)}): {REMEDY}.") from error
    low, high = WINDOW_HU
    return Patches(
        hu=np.rint(images[:, 0] * (high - low) + low).astype(np.int16),
        tumour=labels[:, 0] > 0,
        patients=np.arange(len(images)) // PATCHES_A_PATIENT + 1,
    )


def _array(file: "h5py.File", name: str) -> np.ndarray:
    """An array of the file itself; HDF5 may lead to other files, which are not opened."""
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise ValueError(f"it holds no array {name}")
    dataset = file[name]
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{name} lies in another file")
    FORMS[name].check(name, dataset.shape, dataset.dtype)
    if dataset.size * 8 > LARGEST_ARRAYS:
        raise ValueError(f"{name} holds {dataset.size:,} values, too many")
    return np.asarray(dataset[...], np.float64)


def _check(images: np.ndarray, labels: np.ndarray) -> None:
    """Raises a ValueError where the arrays are not those of such patches."""
    if images.shape != labels.shape or images.shape[1] != 1 or 0 in images.shape:
        raise ValueError(f"images has the shape {images.shape}, labels {labels.shape}, not both (n, 1, y, x)")
    if len(images) % PATCHES_A_PATIENT:
        raise ValueError(f"it holds {len(images)} patches, not {PATCHES_A_PATIENT} a patient")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels holds other values than 0 and 1")
    if not ((images >= 0) & (images <= 1)).all():
        raise ValueError("images holds other values than 0 to 1")
    low, high = WINDOW_HU
    steps = images * (high - low)
    if np.abs(steps - np.rint(steps)).max() > 0.01:
        raise ValueError(f"images is not scaled from whole HU of {low} to {high}")
