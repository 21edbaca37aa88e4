"""A prepared cohort of candidates out of other prepared cohorts, by a segmentation network that finds candidates."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lung_ssp.cohort.candidates.grafts import Graft, graft_of, grafted
from lung_ssp.cohort.candidates.places import CandidateFinder, Found, lung_places, of_nodule, of_scan
from lung_ssp.cohort.candidates.settings import CandidatesSettings, ScanCohortSettings
from lung_ssp.cohort.candidates.store import candidate_digests, write_candidates
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.cohort.description import (
    COHORT_FILE,
    LONGEST_ORIGIN,
    CohortDescription,
    read_cohort,
    read_cohorts,
    write_cohort,
)
from lung_ssp.cohort.nodules.store import NoduleRow, read_nodule, read_nodule_table
from lung_ssp.cohort.scans import MASK_ARRAYS, Scan, read_scans
from lung_ssp.cohort.store import (
    SPLITS,
    Sections,
    contents_digest,
    load_arrays,
    mark_folder,
    refuse_other_cohort,
    section_counts,
    write_sections,
    write_table,
)
from lung_ssp.ct.patch import Stack, cut_patch
from lung_ssp.ct.series import read_series
from lung_ssp.ct.settings import PatchSettings
from lung_ssp.errors import CohortError, shown

Row = dict[str, Any]


@dataclass(frozen=True)
class FinderSource:
    """What finds the candidates. fingerprint: of its weights and settings. statement: what it has learned from."""

    finder: CandidateFinder
    fingerprint: str
    statement: str


def prepare_candidates(settings: CandidatesSettings, source: FinderSource) -> CohortDescription:
    """Make the cohort and write it into its folder.

    Returns:
        its description.

    Raises:
        CohortError: a cohort that it is made from is missing or damaged, or the folder holds another cohort.
    """
    root, cohort = Path(settings.cohort.root), settings.cohort
    origins = [
        Path(origin) for origin in (*([cohort.nodules] if cohort.nodules else []), *(s.root for s in cohort.scans))
    ]
    together = read_cohorts(origins)
    key = _key(settings, together.fingerprint, source)
    refuse_other_cohort(root, key)
    if (root / COHORT_FILE).is_file():
        return read_cohort(root)
    chosen = [_scans_of(scans) for scans in cohort.scans]  # nothing is written where a name is wrong
    mark_folder(root, key)
    rows, patches = [], []
    for row, patch in _candidates(settings, chosen, source.finder):
        rows.append(row)
        patches.append(patch)
    write_candidates(root, rows, patches, settings.patch)
    size, nothing = settings.section.size, np.zeros(0, np.int64)
    none = Sections(np.zeros((0, size, size), np.float32), dict.fromkeys(TASK_NAMES, nothing), np.zeros(0, str))
    for split in SPLITS:
        write_sections(root, split, none)
    write_table(root / "sections.csv", [], ["patient", "split", *(f"{task}_label" for task in TASK_NAMES)])
    found_by = f"candidates found by the segmentation weights {source.fingerprint} trained on: {source.statement}"
    description = CohortDescription(
        name=cohort.name,
        synthetic=together.synthetic,
        origin=f"{together.origin if len(origins) == 1 else together.statement}; {found_by}"[:LONGEST_ORIGIN],
        leaky=together.leaky,
        leaks=together.leaks,
        fingerprint=contents_digest([none] * len(SPLITS), *candidate_digests(root)),
        key=key,
        section=settings.section,
        counts=section_counts(dict.fromkeys(SPLITS, none)),
    )
    write_cohort(root, description)
    return description


def _key(settings: CandidatesSettings, fingerprint: str, source: FinderSource) -> str:
    """What the cohort is made from: the other cohorts, the network and the settings, wherever they lie."""
    places: Any = {"cohort": {"root": True, "segmentation": True, "nodules": True, "scans": {"__all__": {"root"}}}}
    made_from = [settings.model_dump_json(exclude=places), fingerprint, source.fingerprint]
    return hashlib.sha256("\n".join(made_from).encode()).hexdigest()


def _candidates(
    settings: CandidatesSettings, scans: list[list[Scan]], finder: CandidateFinder
) -> Iterator[tuple[Row, np.ndarray]]:
    rng = np.random.default_rng(settings.cohort.seed)
    grafts: dict[str, list[Graft]] = {split: [] for split in SPLITS}
    if settings.cohort.nodules:
        yield from _of_nodules(Path(settings.cohort.nodules), settings, finder, rng, grafts)
    for own, cohort in zip(scans, settings.cohort.scans, strict=True):
        name = read_cohort(Path(cohort.root)).name
        for scan in tqdm(own, f"candidates, {name}", unit="scan"):
            volume = read_series(scan.series)
            assert scan.masks is not None  # as _scans_of chose them
            masks = load_arrays(scan.masks, MASK_ARRAYS)
            found = of_scan(volume, masks["lungs"], masks["lesions"], finder, settings.places, rng)
            about = {"patient": scan.patient, "split": scan.split, "source": name, "scan": scan.name}
            yield from _rows(found, Stack.of(volume), settings.patch, about)
            if grafts[scan.split] and not any(one.kind == "nodule" for one in found):
                places = lung_places(volume, masks["lungs"], masks["lesions"], settings.places, rng)
                yield from _grafted(grafts[scan.split], places, Stack.of(volume), settings.patch, about, rng)


def _grafted(
    grafts: list[Graft],
    places: np.ndarray,
    stack: Stack,
    settings: PatchSettings,
    about: Row,
    rng: np.random.Generator,
) -> Iterator[tuple[Row, np.ndarray]]:
    for place in places:
        graft = grafts[rng.integers(len(grafts))]
        spot, patch = grafted(graft, stack, place, settings)
        yield _row(Found(spot, "grafted", graft.diameter_mm), about), patch


def _of_nodules(
    root: Path,
    settings: CandidatesSettings,
    finder: CandidateFinder,
    rng: np.random.Generator,
    grafts: dict[str, list[Graft]],
) -> Iterator[tuple[Row, np.ndarray]]:
    """The candidates of an archive's nodules; the nodules themselves also go into `grafts`, by their split."""
    name, table = read_cohort(root).name, read_nodule_table(root)
    nodules = [read_nodule(root, row) for row in table]
    reach = {nodule.name: (nodule.z_mm[0], nodule.z_mm[-1]) for nodule in nodules}
    for nodule in tqdm(nodules, f"candidates, {name}", unit="nodule"):
        alone = not any(_overlap(nodule.row, other, reach) for other in table if other.name != nodule.name)
        found = of_nodule(nodule, finder, settings.places, alone, rng)
        grafts[nodule.row.split].append(graft_of(nodule, found[0].spot, settings.patch))
        pixel = nodule.row.pixel_mm
        about = {"patient": nodule.patient, "split": nodule.row.split, "source": name, "scan": nodule.name}
        yield from _rows(found, Stack(nodule.hu, nodule.z_mm, (pixel, pixel)), settings.patch, about)


def _overlap(one: NoduleRow, other: NoduleRow, reach: dict[str, tuple[float, float]]) -> bool:
    """Whether two nodules are of one patient and lie at the same height."""
    (low, high), (lowest, highest) = reach[one.name], reach[other.name]
    return one.patient == other.patient and low <= highest and lowest <= high


def _rows(found: list[Found], stack: Stack, settings: PatchSettings, about: Row) -> Iterator[tuple[Row, np.ndarray]]:
    for place in found:
        yield _row(place, about), cut_patch(stack, place.spot, settings)


def _row(place: Found, about: Row) -> Row:
    """What candidates.csv says of a place."""
    z, y, x = (round(value, 2) for value in place.spot.centre)
    return {
        **about,
        "kind": place.kind,
        "z": z,
        "y": y,
        "x": x,
        "diameter_mm": None if place.diameter_mm is None else round(place.diameter_mm, 2),
        "score": None if place.score is None else round(place.score, 4),
    }


def _scans_of(cohort: ScanCohortSettings) -> list[Scan]:
    """The scans of a cohort whose masks are known, each in the split that the settings give it.

    Raises:
        CohortError: it has none, or the settings name another scan.
    """
    root = Path(cohort.root)
    scans = [scan for scan in read_scans(root) if scan.masks]
    moved = {**dict.fromkeys(cohort.validation, "validation"), **dict.fromkeys(cohort.test, "test")}
    if unknown := sorted(set(moved) - {scan.name for scan in scans}):
        raise CohortError(
            f"cohort.scans moves the scan {shown(unknown[0])} of {root}, which that cohort does not have."
        )
    if not scans:
        raise CohortError(f"{root} holds no scan whose lesions are known or which is known to have none.")
    return [Scan(s.name, s.patient, moved.get(s.name, s.split), s.series, s.masks) for s in scans]
