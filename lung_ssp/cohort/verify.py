"""The integrity of a prepared cohort: its files, tables and contents against what was recorded."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from lung_ssp.cohort.candidates.store import patients_with_candidates
from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.description import CohortDescription, read_cohort
from lung_ssp.cohort.fingerprint import cohort_fingerprint
from lung_ssp.cohort.leaks import SectionOrigin, find_leaks, find_look_alikes, manifest_place
from lung_ssp.cohort.nodules.store import has_nodules, problems_of_nodules
from lung_ssp.cohort.scans import read_scans
from lung_ssp.cohort.slices import read_arrays, slices_path
from lung_ssp.cohort.slides.store import read_tiles, tiles_path
from lung_ssp.cohort.split import check_disjoint
from lung_ssp.cohort.store import (
    MOST_CLASSES,
    REMEDY,
    SPLITS,
    Patient,
    Sections,
    Split,
    class_counts,
    read_sections,
)
from lung_ssp.cohort.unchanged import FILES, recorded_files
from lung_ssp.ct.hounsfield import LOWEST_HU
from lung_ssp.errors import CohortError, DamagedFile
from lung_ssp.files import sha256_of, write_json
from lung_ssp.records import TableRow, read_table

SHOWN = 5  # problems that the message names; it counts the rest


class SectionRow(TableRow):
    """A row of sections.csv, which has more columns.

    Sources and series in a cohort from public images, manifest_line, series and scan in one from a manifest, nodule
    and series in one of nodules; else empty.
    """

    patient: Patient
    split: Split
    image_label: int = Field(ge=MISSING, lt=MOST_CLASSES)
    pathology_label: int = Field(ge=MISSING, lt=MOST_CLASSES)
    image_source: str = ""
    pathology_source: str = ""
    manifest_line: str = ""
    series: str = ""
    scan: str = ""
    nodule: str = ""


class SplitRow(TableRow):
    """A row of splits.csv."""

    patient: Patient
    split: Split


def record_files(root: Path) -> None:
    """Write <root>/files.json, the SHA-256 of every file of a finished cohort; one that is there is left alone."""
    if not (root / FILES).is_file():
        write_json(root / FILES, {name: sha256_of(root / name) for name in _names(root)})


@dataclass(frozen=True)
class CohortCheck:
    """A prepared cohort that passed every check.

    root: its folder. description: what its cohort.json says. files: how many are as recorded. sections: how many each
    split has. findings: what is as it was prepared but should be known, a sentence each: one scan under two patients'
    names on both sides of the splits, nodules of two patients that look alike.
    """

    root: Path
    description: CohortDescription
    files: int
    sections: dict[str, int]
    findings: tuple[str, ...] = ()

    @property
    def leaky(self) -> bool:
        """Whether patients are on both sides of the splits, on purpose; else each is in one split."""
        return self.description.leaky

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the contents, computed anew and as recorded."""
        return self.description.fingerprint


def verify_cohort(root: str | Path) -> CohortCheck:
    """Check that a prepared cohort still is what was prepared.

    Its files against their recorded hashes; the sections' shapes and range; their labels against sections.csv and
    the counts of cohort.json; that no lesion is in two splits under two patients' names; the HU of the slices; that no
    patient is in two splits, and that every patient of a split stands in splits.csv; where each label comes from; and
    the fingerprint.

    Raises:
        CohortError: there is no cohort, or something differs; the message names the first differences.
    """
    root = Path(root)
    cohort = read_cohort(root)
    problems = list(_problems_of_files(root))
    if not problems:  # else every later check would report the same
        try:
            problems = list(_problems_of_contents(root, cohort))
        except DamagedFile as error:
            raise CohortError(str(error)) from error
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        first = "; ".join(problems[:SHOWN])
        raise CohortError(f"{root} is not what was prepared: {first}{more}. Remove the folder and prepare it again.")
    splits = {split: read_sections(root, split) for split in SPLITS}
    sections = {split: len(own) for split, own in splits.items()}
    origins = _origins(read_table(root / "sections.csv", SectionRow, REMEDY), splits)
    leaks = find_leaks(splits, origins)
    if leaks.lesions:
        raise CohortError(
            f"{root} has lesions on both sides of its splits, which makes its figures too good: "
            f"{'; '.join(leaks.lesions)}. Give all rows of a person one patient and one split, and prepare it again."
        )
    look_alikes = find_look_alikes(splits, origins) if has_nodules(root) else ()
    return CohortCheck(root, cohort, len(_names(root)), sections, (*leaks.scans, *look_alikes))


def _names(root: Path) -> list[str]:
    """The files of a cohort, relative to its folder, without the record itself and what was left half written."""
    names = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(name.as_posix() for name in names if name.name != FILES and not name.name.startswith("."))


def _problems_of_files(root: Path) -> Iterator[str]:
    if not (root / FILES).is_file():
        yield f"it has no {FILES}, its preparation did not end"
        return
    try:
        recorded = recorded_files(root)
    except CohortError:
        yield f"{FILES} is damaged"
        return
    present = _names(root)
    yield from (f"{name} is missing" for name in sorted(set(recorded) - set(present)))
    yield from (f"{name} was not there" for name in present if name not in recorded)
    changed = (name for name in present if name in recorded and sha256_of(root / name) != recorded[name])
    yield from (f"{name} has changed" for name in changed)


def _problems_of_contents(root: Path, cohort: CohortDescription) -> Iterator[str]:
    splits = {split: read_sections(root, split) for split in SPLITS}
    for split, sections in splits.items():
        size, shape = cohort.section.size, sections.images.shape[1:]
        if shape != (size, size):
            yield f"the {split} sections are {shape} pixels, not {size}x{size}"
        if class_counts(sections) != cohort.counts.classes.get(split):
            yield f"the label counts of {split} are not those of cohort.json"
    missing = [name for name in ("sections.csv", "splits.csv") if not (root / name).is_file()]
    if missing:
        yield f"it has no {' and no '.join(missing)}"
        return
    table = read_table(root / "sections.csv", SectionRow, REMEDY)
    yield from _problems_of_table(table, splits, sources=cohort.nlst is not None or cohort.public is not None)
    yield from _problems_of_splits(root, splits, leaky=cohort.leaky)
    if (root / "scans.csv").is_file():
        yield from _problems_of_slices(root)
    if has_nodules(root):
        yield from problems_of_nodules(root)
    if (fingerprint := cohort_fingerprint(root)) != cohort.fingerprint:
        yield f"the fingerprint is {fingerprint}, cohort.json says {cohort.fingerprint}"


def _origins(table: list[SectionRow], splits: dict[str, Sections]) -> dict[str, list[SectionOrigin]]:
    """Where the sections of each split come from; `table` has a row for each section, in their order."""
    origins: dict[str, list[SectionOrigin]] = {split: [] for split in splits}
    for row in table:
        own = origins[row.split]
        place = f"the nodule {row.nodule}" if row.nodule else f"section {len(own) + 1} of {row.split}"
        place = manifest_place(row.manifest_line) if row.manifest_line else place
        own.append(SectionOrigin(place, tuple(filter(None, (row.series, row.scan)))))
    return origins


def _problems_of_table(table: list[SectionRow], splits: dict[str, Sections], sources: bool) -> Iterator[str]:
    """Whether sections.csv, in the order of the arrays, says the same as they do.

    Args:
        sources: whether it must say where each label comes from.
    """
    for split, sections in splits.items():
        rows = [row for row in table if row.split == split]
        if [row.patient for row in rows] != sections.patients.tolist():
            yield f"sections.csv names other patients in {split} than the sections do"
            continue
        for task, labels in sections.labels.items():
            if [getattr(row, f"{task}_label") for row in rows] != labels.tolist():
                yield f"sections.csv has other {task} labels in {split} than the sections have"
            given = [bool(getattr(row, f"{task}_source")) for row in rows]
            if sources and (~np.array(given, bool) & (labels != MISSING)).any():
                yield f"sections.csv does not say where some {task} labels in {split} come from"


def _problems_of_splits(root: Path, splits: dict[str, Sections], leaky: bool) -> Iterator[str]:
    table = read_table(root / "splits.csv", SplitRow, REMEDY)
    recorded = {split: [row.patient for row in table if row.split == split] for split in SPLITS}
    if not leaky:
        try:
            check_disjoint(recorded)
        except CohortError as error:
            yield str(error).rstrip(".")
    scans = read_scans(root) if (root / "scans.csv").is_file() else []
    for split, sections in splits.items():
        patients = {*sections.patients.tolist(), *(scan.patient for scan in scans if scan.split == split)}
        patients |= patients_with_candidates(root, split)
        if tiles_path(root, split).is_file():
            patients |= set(read_tiles(root, split).patients.tolist())
        if patients - set(recorded[split]):
            yield f"splits.csv lacks patients of {split}"


def _problems_of_slices(root: Path) -> Iterator[str]:
    for scan in read_scans(root):
        path = slices_path(root, scan.name)
        if scan.masks is None or not path.is_file():
            continue
        if read_arrays(path)["hu"].min() < LOWEST_HU:
            yield f"{path.relative_to(root)} has HU below {LOWEST_HU}"
