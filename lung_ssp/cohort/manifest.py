"""A cohort from a manifest (cohort/manifest_rows.py): its lesions become sections like those of the embedded cohort."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from lung_ssp.cohort.annotations.lidc import read_lidc
from lung_ssp.cohort.annotations.masks import read_mask
from lung_ssp.cohort.annotations.settings import AnnotationSettings
from lung_ssp.cohort.classes import MISSING, TASK_NAMES
from lung_ssp.cohort.description import COHORT_FILE, CohortDescription, read_cohort, write_cohort
from lung_ssp.cohort.manifest_rows import Row, read_manifest
from lung_ssp.cohort.manifest_settings import ManifestSettings
from lung_ssp.cohort.settings import SplitSettings
from lung_ssp.cohort.split import check_disjoint, split_patients
from lung_ssp.cohort.store import (
    SPLITS,
    Sections,
    claim_folder,
    contents_digest,
    refuse_other_cohort,
    section_counts,
    write_sections,
)
from lung_ssp.ct.lesion import Lesion, lesion_of_mask, measure_lesion
from lung_ssp.ct.series import Series, open_series
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.ct.volume import Box, Volume
from lung_ssp.errors import CohortError, SeriesError
from lung_ssp.files import sha256_of, write_text

ORIGIN = "cohort from a manifest, its origin is its maker's word"


def prepare_manifest(settings: ManifestSettings) -> CohortDescription:
    """Make the sections of a manifest's lesions and write the prepared cohort into its folder.

    Returns:
        its description.

    Raises:
        CohortError: the manifest or one of its files is wrong (it names the line), or the folder holds another cohort.
    """
    root = Path(settings.cohort.root)
    rows = read_manifest(Path(settings.cohort.manifest))
    key = _key(rows, settings)
    refuse_other_cohort(root, key)
    if (root / COHORT_FILE).is_file():
        return read_cohort(root)

    split_of = _splits(rows, settings.cohort.split)
    images = _make_sections(rows, settings.section, settings.cohort.annotations)
    claim_folder(root, key)
    stored = {}
    for split in SPLITS:
        chosen = [index for index, row in enumerate(rows) if split_of[row.patient] == split]
        labels = np.array([rows[index].labels for index in chosen], dtype=np.int64).reshape(-1, len(TASK_NAMES))
        size = settings.section.size
        stored[split] = Sections(
            images=np.array([images[index] for index in chosen], dtype=np.float32).reshape(-1, size, size),
            labels=dict(zip(TASK_NAMES, labels.T, strict=True)),
            patients=np.array([rows[index].patient for index in chosen], dtype=str),
        )
        write_sections(root, split, stored[split])
    _write_table(root, rows, split_of)
    description = CohortDescription(
        name=settings.cohort.name,
        synthetic=False,
        origin=ORIGIN,
        fingerprint=contents_digest(stored.values()),
        key=key,
        section=settings.section,
        split=None if rows[0].split else settings.cohort.split,
        counts=section_counts(stored),
    )
    write_cohort(root, description)
    return description


def _key(rows: list[Row], settings: ManifestSettings) -> str:
    """What the cohort is made from: the manifest, the files it names as they are now, and the settings."""
    files = (
        {row.mask for row in rows if row.mask}
        | {row.series for row in rows}
        | {path for row in rows for path in row.series.glob("*")}
    )
    state = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sorted(files) if path.is_file()]
    made_from = [sha256_of(Path(settings.cohort.manifest)), settings.model_dump_json(), *state]
    return hashlib.sha256("\n".join(made_from).encode()).hexdigest()


def _splits(rows: list[Row], settings: SplitSettings) -> dict[str, str]:
    """The split of each patient: as the manifest says, or by chance, stratified by the patient's highest class."""
    given = [bool(row.split) for row in rows]
    if any(given) and not all(given):
        raise CohortError(f"The manifest's line {rows[given.index(False)].number} has no split, but others have one.")
    if all(given):
        check_disjoint({split: [row.patient for row in rows if row.split == split] for split in SPLITS})
        return {row.patient: row.split for row in rows}
    strata: dict[str, int] = {}
    for row in rows:
        strata[row.patient] = max(strata.get(row.patient, MISSING), *row.labels)
    return split_patients(strata, settings.shares, np.random.default_rng(settings.seed))


def _make_sections(rows: list[Row], settings: SectionSettings, annotations: AnnotationSettings) -> list[np.ndarray]:
    """The section of each row, (size, size); each series is read once."""
    images: list[np.ndarray] = [np.empty(0)] * len(rows)
    series: Series | None = None
    source: Path | None = None
    for index in tqdm(sorted(range(len(rows)), key=lambda i: rows[i].series), desc="sections", unit="section"):
        row = rows[index]
        if series is None or row.series != source:
            try:
                series, source = open_series(row.series), row.series
            except (CohortError, SeriesError) as error:
                raise CohortError(f"The manifest's line {row.number}: {error}") from error
        lesion = _lesion_of(row, series, annotations)
        images[index] = lesion.section(series.volume, settings)
    return images


def _lesion_of(row: Row, series: Series, annotations: AnnotationSettings) -> Lesion:
    if row.mask is None:
        return _ball(row, series.volume)
    return lesion_of_mask(_mask_of(row, row.mask, series, annotations), series.volume)


def _ball(row: Row, volume: Volume) -> Lesion:
    """A ball at the row's position, on the voxels of the series."""
    assert row.position is not None
    *centre, diameter = row.position
    place = volume.to_index(np.array(centre))
    nearest = np.rint(place).astype(int)
    if np.any(nearest < 0) or np.any(nearest >= volume.shape):
        raise CohortError(f"The manifest's line {row.number}: the position lies outside the series {row.series}.")
    box = _around(place, diameter / 2, volume)
    axes = [(np.arange(side.start, side.stop) - p) * s for side, p, s in zip(box, place, volume.spacing, strict=True)]
    distance = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2)
    voxels = distance <= diameter / 2
    voxels[tuple(nearest - [side.start for side in box])] = True  # however small the lesion is
    return measure_lesion(box, voxels, volume)


def _around(place: np.ndarray, radius_mm: float, volume: Volume) -> Box:
    """The box of a scan that holds all voxels within a radius of a place, an index (z, y, x) in the scan."""
    reach = np.divide(radius_mm, volume.spacing) + 1
    z, y, x = (
        slice(max(0, math.floor(low)), min(size, math.ceil(high) + 1))
        for low, high, size in zip(place - reach, place + reach, volume.shape, strict=True)
    )
    return z, y, x


def _mask_of(row: Row, path: Path, series: Series, settings: AnnotationSettings) -> np.ndarray:
    """The row's mask on the voxels of the series, bool (z, y, x)."""
    try:
        if path.suffix.lower() == ".xml":
            nodules = read_lidc(path, series, settings.consensus, settings.outline_inside)
            return _of_value(nodules, row, path)
        return read_mask(path, series.volume, row.mask_value, settings.largest_loss)
    except CohortError as error:
        raise CohortError(f"The manifest's line {row.number}: the mask {error}") from error


def _of_value(labels: np.ndarray, row: Row, path: Path) -> np.ndarray:
    mask: np.ndarray = labels != 0 if row.mask_value is None else labels == row.mask_value
    if not mask.any():
        raise CohortError(f"{path} holds no nodule {row.mask_value or ''} on which so many readers agree.")
    return mask


def _write_table(root: Path, rows: list[Row], split_of: dict[str, str]) -> None:
    """Write sections.csv, in the order of the splits' files."""
    table = pd.DataFrame(
        [
            {
                "patient": row.patient,
                "split": split,
                "manifest_line": row.number,
                **{f"{task}_label": label for task, label in zip(TASK_NAMES, row.labels, strict=True)},
            }
            for split in SPLITS
            for row in rows
            if split_of[row.patient] == split
        ]
    )
    write_text(root / "sections.csv", table.to_csv(index=False))
