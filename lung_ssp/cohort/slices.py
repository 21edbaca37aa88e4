"""The slices that the segmentation network learns from: one file for each scan of the cohort."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.scans import read_scans
from lung_ssp.cohort.store import load_arrays, refuse_other_files
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.ct.settings import ParenchymaSettings, WorkingGridSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import LungSlices, training_slices
from lung_ssp.errors import CohortError, cut
from lung_ssp.files import write_atomically
from lung_ssp.formats import ArrayForm, json_of

AGAIN = "remove it and prepare the cohort's slices again"
SLICE_ARRAYS = {
    "hu": ArrayForm("i", 3),
    "lungs": ArrayForm("b", 3),
    "lesions": ArrayForm("u", 3),
    "spacing": ArrayForm("f", shape=(3,)),
    "settings": ArrayForm("U", 0),
}


def prepare_slices(root: Path, settings: WorkingGridSettings, parenchyma: ParenchymaSettings) -> None:
    """Write <root>/slices/<name>.npz for every scan whose lesions are known; what is finished is skipped.

    Each file holds `hu` int16, `lungs` bool and `lesions` uint8 (z, y, x), `spacing` (z, y, x) in mm, and `settings`,
    a JSON text with all that they depend on.

    Raises:
        CohortError: no prepared cohort, or slices that were made with other settings are there.
    """
    refuse_other_files(Path(root))
    own = {"slices": settings.model_dump(), "parenchyma": parenchyma.model_dump()}
    made_with = json.dumps({"cohort": read_cohort(root).fingerprint, **own}, sort_keys=True)
    for scan in tqdm([scan for scan in read_scans(root) if scan.masks], desc="slices", unit="scan"):
        path = slices_path(root, scan.name)
        if path.is_file():
            if (found := str(read_arrays(path)["settings"])) != made_with:
                raise CohortError(
                    f"{path} was made with other settings ({cut(found)}) than those asked for ({cut(made_with)}): "
                    f"remove {path.parent} or prepare into another folder."
                )
            continue
        volume, lesions = read_series(scan.series), scan.lesions()
        if lesions.shape != volume.shape:
            raise CohortError(
                f"{scan.masks} has shape {lesions.shape}, but the series {volume.shape}: masks must fit it."
            )
        lungs = segment_lungs(volume, parenchyma).mask
        write_slices(path, training_slices(volume, lungs, settings, lesions), made_with)


def read_slices(root: Path, split: str) -> tuple[WorkingGridSettings, list[LungSlices]]:
    """The slices of a split's scans, in the order of scans.csv, and the settings that made them.

    Raises:
        CohortError: slices are missing, broken, or were made with different settings.
    """
    scans = [scan for scan in read_scans(root) if scan.split == split and scan.masks]
    if not scans:
        raise CohortError(f"{root} holds no {split} scan whose lesions are known.")
    files = [read_arrays(slices_path(root, scan.name)) for scan in scans]
    made_with = str(files[0]["settings"])
    if any(str(arrays["settings"]) != made_with for arrays in files):
        raise CohortError(
            f"{Path(root) / 'slices'} mixes slices made with different settings: remove it and prepare them again."
        )
    return _grid_of(made_with, Path(root)), [_as_slices(own) for own in files]


def _grid_of(made_with: str, root: Path) -> WorkingGridSettings:
    """The working grid that slices say they were made with."""
    try:
        return WorkingGridSettings.model_validate(json_of(made_with)["slices"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CohortError(
            f"{root / 'slices'} holds slices that do not say how they were made: remove it and prepare them again."
        ) from None


def write_slices(path: Path, slices: LungSlices, made_with: str) -> None:
    """Write one scan's slices, atomically; `made_with` is the JSON text of all that made them."""
    write_atomically(
        path,
        lambda file: np.savez_compressed(
            file,
            hu=slices.scan.hu,
            lungs=slices.lungs,
            lesions=slices.lesions.astype(np.uint8),
            spacing=np.array(slices.scan.spacing),
            settings=np.array(made_with),
        ),
    )


def slices_path(root: Path, name: str) -> Path:
    """Where the slices of a scan lie."""
    return Path(root) / "slices" / f"{name}.npz"


def _as_slices(arrays: dict[str, Any]) -> LungSlices:
    z, y, x = (float(step) for step in arrays["spacing"])
    return LungSlices(Volume(arrays["hu"], (z, y, x)), arrays["lungs"], arrays["lesions"])


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of one scan's slices.

    Raises:
        CohortError: the file is missing or damaged.
    """
    if not path.is_file():
        raise CohortError(f"{path} does not exist: prepare the cohort's slices first (lung-ssp prepare --config ...).")
    arrays = load_arrays(path, SLICE_ARRAYS)
    spacing = arrays["spacing"]
    if arrays["hu"].dtype != np.int16 or not arrays["hu"].shape == arrays["lungs"].shape == arrays["lesions"].shape:
        raise CohortError(f"{path} is damaged, its arrays are not of one shape or its HU not int16: {AGAIN}.")
    if not arrays["hu"].size or not np.isfinite(spacing).all() or spacing.min() <= 0:
        raise CohortError(f"{path} is damaged, it holds no slices or an impossible spacing: {AGAIN}.")
    return arrays
