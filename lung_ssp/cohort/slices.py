"""Slices for the segmentation network: the lungs of a scan on one working grid, alike for training and prediction."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.scans import read_scans
from lung_ssp.cohort.slice_settings import SliceSettings
from lung_ssp.cohort.store import load_arrays
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.ct.settings import ParenchymaSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CohortError
from lung_ssp.files import write_atomically


@dataclass(frozen=True, eq=False)
class LungSlices:
    """The part of a scan that holds the lungs, on the working grid.

    scan: the slices, HU not clipped; its origin tells where they lie.
    lungs: bool (z, y, x), the lung mask.
    lesions: uint8 (z, y, x), 0 background, 1..n the lesions; all 0 where none are known.
    """

    scan: Volume
    lungs: np.ndarray
    lesions: np.ndarray


def cut_slices(
    volume: Volume, lungs: np.ndarray, settings: SliceSettings, lesions: np.ndarray | None = None
) -> LungSlices:
    """Cut the lungs out of a scan and bring them to the working grid.

    HU are interpolated, or averaged where the working grid is coarser; masks take their nearest voxel.

    Args:
        volume: the scan.
        lungs: bool (z, y, x), the lung mask on the scan's own grid; not empty.
        settings: working grid and margin.
        lesions: uint8 (z, y, x) labels on the scan's own grid, where they are known.
    """
    scan = volume.crop(lung_box(lungs, volume.spacing, settings.margin_mm)).with_spacing(
        _as_triple(settings.spacing_mm)
    )
    first = volume.to_index(np.array(scan.origin))
    nearest = [
        np.clip(np.rint(start + step / spacing * np.arange(count)).astype(int), 0, limit - 1)
        for start, step, spacing, count, limit in zip(
            first, scan.spacing, volume.spacing, scan.shape, volume.shape, strict=True
        )
    ]
    picked = np.ix_(*nearest)
    return LungSlices(
        scan=scan,
        lungs=lungs[picked],
        lesions=np.zeros(scan.shape, np.uint8) if lesions is None else lesions[picked],
    )


def lung_box(lungs: np.ndarray, spacing: tuple[float, float, float], margin_mm: float) -> tuple[slice, slice, slice]:
    """The smallest box around a mask, widened by a margin in mm as far as the scan goes.

    Raises:
        ValueError: the mask is empty.
    """
    box = next(iter(ndimage.find_objects(lungs.astype(np.uint8))), None)
    if box is None:
        raise ValueError("The lung mask is empty: there are no slices to cut.")
    margins = [math.ceil(margin_mm / step) for step in spacing]
    z, y, x = (
        slice(max(0, side.start - margin), min(size, side.stop + margin))
        for side, margin, size in zip(box, margins, lungs.shape, strict=True)
    )
    return z, y, x


def prepare_slices(root: Path, settings: SliceSettings, parenchyma: ParenchymaSettings) -> None:
    """Write <root>/slices/<name>.npz for every scan whose lesions are known; what is finished is skipped.

    Each file holds `hu` int16, `lungs` bool and `lesions` uint8 (z, y, x), `spacing` (z, y, x) in mm, and `settings`,
    a JSON text with all that made it.

    Raises:
        CohortError: no prepared cohort, or slices that were made with other settings are there.
    """
    made_with = _describe(root, settings, parenchyma)
    for scan in tqdm([scan for scan in read_scans(root) if scan.masks], desc="slices", unit="scan"):
        path = slices_path(root, scan.name)
        if path.is_file():
            _refuse_other_settings(path, made_with)
            continue
        volume, lesions = read_series(scan.series), scan.lesions()
        if lesions.shape != volume.shape:
            raise CohortError(
                f"{scan.masks} has shape {lesions.shape}, but the series {volume.shape}: masks must fit it."
            )
        lungs = segment_lungs(volume, parenchyma).mask
        write_slices(path, cut_slices(volume, lungs, settings, lesions), made_with)


def read_slices(root: Path, split: str) -> tuple[SliceSettings, list[LungSlices]]:
    """The slices of a split's scans, in the order of scans.csv, and the settings that made them.

    Raises:
        CohortError: slices are missing, broken, or were made with different settings.
    """
    scans = [scan for scan in read_scans(root) if scan.split == split and scan.masks]
    if not scans:
        raise CohortError(f"{root} holds no {split} scan whose lesions are known.")
    files = [_read_file(slices_path(root, scan.name)) for scan in scans]
    made_with = str(files[0]["settings"])
    if any(str(arrays["settings"]) != made_with for arrays in files):
        raise CohortError(
            f"{Path(root) / 'slices'} mixes slices made with different settings: remove it and prepare them again."
        )
    return SliceSettings.model_validate(json.loads(made_with)["slices"]), [
        LungSlices(Volume(arrays["hu"], _as_triple(arrays["spacing"])), arrays["lungs"], arrays["lesions"])
        for arrays in files
    ]


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


def _as_triple(values: Iterable[float]) -> tuple[float, float, float]:
    z, y, x = (float(value) for value in values)
    return z, y, x


def _describe(root: Path, settings: SliceSettings, parenchyma: ParenchymaSettings) -> str:
    """All that slices depend on, as one JSON text."""
    parts = {
        "cohort": read_cohort(root).fingerprint,
        "slices": settings.model_dump(),
        "parenchyma": parenchyma.model_dump(),
    }
    return json.dumps(parts, sort_keys=True)


def _refuse_other_settings(path: Path, made_with: str) -> None:
    found = str(_read_file(path)["settings"])
    if found != made_with:
        raise CohortError(
            f"{path} was made with other settings ({found}) than those asked for ({made_with}): "
            f"remove {path.parent} or prepare into another folder."
        )


def _read_file(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise CohortError(f"{path} does not exist: prepare the cohort's slices first (lung-ssp prepare --config ...).")
    return load_arrays(path, ["hu", "lungs", "lesions", "spacing", "settings"])
