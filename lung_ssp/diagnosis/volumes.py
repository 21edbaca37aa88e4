"""The lungs and the findings as volumes, NIfTI or NRRD, on the grid of the scan's own source."""

import errno
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk

from lung_ssp.diagnosis.diagnosis import NOT_FOR_DIAGNOSIS, Diagnosis
from lung_ssp.diagnosis.label_map import findings_map
from lung_ssp.diagnosis.own_grid import own_grid
from lung_ssp.files import copy

NIFTI_NOTE = "ITK_FileNotes"  # what ITK writes as the NIfTI header's descrip, of 79 characters


def write_nifti(diagnosis: Diagnosis, folder: Path) -> None:
    """Write lungs.nii.gz (0 and 1) and findings.nii.gz (0, or the number of the finding)."""
    _write(diagnosis, folder, ".nii.gz", {NIFTI_NOTE: NOT_FOR_DIAGNOSIS})


def write_nrrd(diagnosis: Diagnosis, folder: Path) -> None:
    """Write lungs.nrrd and findings.nrrd, as `write_nifti`; the notice is a field of the header."""
    _write(diagnosis, folder, ".nrrd", {"notice": diagnosis.notice})


def _write(diagnosis: Diagnosis, folder: Path, suffix: str, notes: dict[str, str]) -> None:
    grid = own_grid(diagnosis.scan, diagnosis.stored_direction or diagnosis.scan.direction)
    masks = {
        "lungs": diagnosis.lungs.mask.view(np.uint8),
        "findings": findings_map(diagnosis.findings, diagnosis.scan.shape),
    }
    with TemporaryDirectory() as place:  # SimpleITK writes by names alone
        for name, mask in masks.items():
            image = sitk.GetImageFromArray(grid.turned(mask))
            image.SetSpacing(grid.spacing[::-1])
            image.SetOrigin(grid.origin)
            image.SetDirection(grid.direction)
            for key, text in notes.items():
                image.SetMetaData(key, text)
            file = Path(place) / f"{name}{suffix}"
            try:
                sitk.WriteImage(image, str(file), useCompression=True)
            except RuntimeError as error:  # SimpleITK has no other word for a full disk
                raise OSError(errno.EIO, "cannot be written, is the disk full?", str(file)) from error
            copy(file, folder / file.name)
