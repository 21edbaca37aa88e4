"""A cohort from a manifest (cohort/manifest_rows.py): its lesions become sections like those of the embedded cohort."""

import hashlib
import math
import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lung_ssp.cohort.annotations.lidc import read_lidc
from lung_ssp.cohort.annotations.masks import read_mask
from lung_ssp.cohort.annotations.settings import AnnotationSettings
from lung_ssp.cohort.classes import MISSING, TASK_NAMES
from lung_ssp.cohort.description import COHORT_FILE, CohortDescription, read_cohort, write_cohort
from lung_ssp.cohort.leaks import SectionOrigin, find_leaks, manifest_place
from lung_ssp.cohort.manifest_rows import Row, read_manifest
from lung_ssp.cohort.settings import ManifestSettings, SplitSettings
from lung_ssp.cohort.split import check_disjoint, split_patients
from lung_ssp.cohort.store import (
    SPLITS,
    Sections,
    contents_digest,
    mark_folder,
    refuse_other_cohort,
    section_counts,
    write_sections,
    write_table,
)
from lung_ssp.ct.lesion import Lesion, lesion_from_mask, measure_lesion
from lung_ssp.ct.series import Series, files_behind, open_series
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CohortError, LungSspError
from lung_ssp.files import sha256_of

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
    made = _make_sections(rows, settings)
    mark_folder(root, key)
    rows_of = {split: [i for i, row in enumerate(rows) if split_of[row.patient] == split] for split in SPLITS}
    stored, size = {}, settings.section.size
    for split, chosen in rows_of.items():
        labels = np.array([rows[i].labels for i in chosen], dtype=np.int64).reshape(-1, len(TASK_NAMES))
        stored[split] = Sections(
            images=np.array([made[i].image for i in chosen], dtype=np.float32).reshape(-1, size, size),
            labels=dict(zip(TASK_NAMES, labels.T, strict=True)),
            patients=np.array([rows[i].patient for i in chosen], dtype=str),
        )
        write_sections(root, split, stored[split])
    table = [
        {
            "patient": rows[i].patient,
            "split": split,
            "manifest_line": rows[i].number,
            "series": made[i].series,
            "scan": made[i].scan,
            **{f"{task}_label": label for task, label in zip(TASK_NAMES, rows[i].labels, strict=True)},
        }
        for split, chosen in rows_of.items()
        for i in chosen
    ]
    write_table(root / "sections.csv", table)
    leaks = find_leaks(stored, {split: [_origin_of(rows[i], made[i]) for i in own] for split, own in rows_of.items()})
    description = CohortDescription(
        name=settings.cohort.name,
        synthetic=False,
        origin=ORIGIN,
        leaks=(*leaks.lesions, *leaks.scans),
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
    sources = {path for row in rows for path in (row.mask, row.series) if path}
    files = {file for source in sources for file in (source, *files_behind(source))}
    state = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sorted(files) if path.is_file()]
    # left out where nothing is accepted: the key of a cohort that was made before there was the choice
    unset = {"cohort": {"accept", "gaps"}} if not settings.cohort.accept else {}
    made_from = [sha256_of(Path(settings.cohort.manifest)), settings.model_dump_json(exclude=unset), *state]
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


@dataclass(frozen=True)
class _Made:
    """The section of a row, float32 (size, size), and short hashes of its series' UID and its scan's pixels."""

    image: np.ndarray
    series: str
    scan: str


def _make_sections(rows: list[Row], settings: ManifestSettings) -> dict[int, _Made]:
    """The section of each row by the row's index; each series is read once."""
    made = {}
    order = sorted(range(len(rows)), key=lambda i: _source(rows[i]))
    progress = tqdm(order, desc="sections", unit="section")
    for _, indices in groupby(progress, key=lambda i: _source(rows[i])):
        series: Series | None = None
        for index in indices:
            if series is None:
                series = _open(rows[index], settings)
                uid, pixels = series.volume.series_uid, series.volume.hu
                ids = _digest(uid.encode()) if uid else "", _digest(np.ascontiguousarray(pixels).tobytes())
            image = _lesion_of(rows[index], series, settings.cohort.annotations).section(
                series.volume, settings.section
            )
            made[index] = _Made(image, *ids)
    return made


def _source(row: Row) -> tuple[Path, str]:
    return row.series, row.series_uid or ""


def _open(row: Row, settings: ManifestSettings) -> Series:
    try:
        return open_series(row.series, row.series_uid, settings.cohort.accept, settings.cohort.gaps)
    except LungSspError as error:
        text = re.sub(r"--accept (\w+)", r"-o cohort.accept=[\1]", str(error))  # as a manifest accepts it
        raise CohortError(f"The manifest's line {row.number}: {text}") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _origin_of(row: Row, made: _Made) -> SectionOrigin:
    return SectionOrigin(manifest_place(row.number), tuple(filter(None, (made.series, made.scan))))


def _lesion_of(row: Row, series: Series, settings: AnnotationSettings) -> Lesion:
    """The lesion of a row on the voxels of its series: a ball at its position, or what its mask marks."""
    if row.mask is None:
        return _ball(row, series.volume)
    try:
        if row.mask.suffix.lower() == ".xml":
            nodules = read_lidc(row.mask, series, settings.consensus, settings.outline_inside)
            mask = nodules != 0 if row.mask_value is None else nodules == row.mask_value
            if not mask.any():
                raise CohortError(f"{row.mask} holds no nodule {row.mask_value or ''} on which so many readers agree.")
        else:
            mask = read_mask(row.mask, series.volume, row.mask_value, settings.largest_loss)
    except LungSspError as error:
        raise CohortError(f"The manifest's line {row.number}: the mask {error}") from error
    return lesion_from_mask(mask, series.volume)


def _ball(row: Row, volume: Volume) -> Lesion:
    assert row.position is not None
    *centre, diameter = row.position
    place = volume.to_index(np.array(centre))
    nearest = np.rint(place).astype(int)
    if np.any(nearest < 0) or np.any(nearest >= volume.shape):
        raise CohortError(f"The manifest's line {row.number}: the position lies outside the series {row.series}.")
    reach = np.divide(diameter / 2, volume.spacing) + 1
    z, y, x = (
        slice(max(0, math.floor(low)), min(size, math.ceil(high) + 1))
        for low, high, size in zip(place - reach, place + reach, volume.shape, strict=True)
    )
    box = z, y, x
    axes = [(np.arange(side.start, side.stop) - p) * s for side, p, s in zip(box, place, volume.spacing, strict=True)]
    distance = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2)
    voxels = distance <= diameter / 2
    voxels[tuple(nearest - [side.start for side in box])] = True  # however small the lesion is
    return measure_lesion(box, voxels, volume)
