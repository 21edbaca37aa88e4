"""The embedded cohort's patients, exams, abnormalities and cancers as NLST's tables, in NLST's codes.

What the scans do not show is not written: patients who have sections only have no slice, no lobe and no location of
their cancer. In a scan the side is known; the lobe follows from the height within the lung (thirds), since the phantom
has no fissures. A patient's cancers are diagnosed within 200 days after the last exam.

The codes are written here and in tables.yml a second time, from NLST's dictionaries, and not taken from
cohort/nlst/codes.py on purpose: a code that is wrong in either place shows where the reader and this writer disagree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lung_ssp.cohort.classes import NORMAL
from lung_ssp.cohort.phantom.attributes import LesionAttributes
from lung_ssp.cohort.phantom.data import shipped
from lung_ssp.cohort.phantom.patients import STUDY_YEARS
from lung_ssp.cohort.phantom.randomness import TABLES, generator
from lung_ssp.cohort.phantom.scans import PlannedScan
from lung_ssp.cohort.phantom.sections import PlannedSection
from lung_ssp.cohort.store import REMEDY, load_arrays, write_table
from lung_ssp.errors import CohortError
from lung_ssp.formats import ArrayForm

# See tables.yml.
MORPHOLOGY: dict[int, int] = shipped("simulated_nlst/tables")["morphology"]
LOBES: dict[str, list[tuple[int, str, str]]] = shipped("simulated_nlst/tables")["lobes"]
COLUMNS: dict[str, list[str]] = shipped("simulated_nlst/tables")["columns"]
LOCATIONS = [column for column in COLUMNS["prsn"] if column.startswith("loc")]
UNKNOWN_LOBE = (8, "locunk", "C34.9")

NODULE, CALCIFIED_NODULE = 51, 53  # sct_ab_desc: non-calcified nodule or mass >= 4 mm, benign calcified nodule
SPICULATED, SMOOTH, POORLY_DEFINED = 1, 2, 3  # sct_margins
ATTENUATION = {"solid": 1, "ground glass": 2, "part-solid": 3}  # sct_pre_att: soft tissue, ground glass, mixed
NO_SLICE = 999  # sct_slice_num where the slice is not known
NO, YES = 1, 2  # sct_ab_preexist, sct_ab_gwth, sct_ab_attn
GROWTH_MM = 2  # of the rounded diameter from which on the reader sees growth

NO_CANCER, POSITIVE_SCREEN, NEGATIVE_SCREEN = 0, 1, 2  # can_scr
NOTHING_SEEN, MINOR_ABNORMALITY, SUSPICIOUS = 1, 2, 4  # scr_res
REFUSED, CANCER_BEFORE = 15, 13  # scr_res where there was no screen
DIAGNOSTIC = 1  # ctdxqual
STAGE_IA, STAGE_IB = 110, 120  # de_stag, from the size alone: AJCC 6 divides at 30 mm
LARGEST_IA_MM = 30
SCAN_ARRAYS = {
    "lungs": ArrayForm("b", 3),
    "spacing": ArrayForm("f", shape=(3,)),
    "origin": ArrayForm("f", shape=(3,)),
    "centres_mm": ArrayForm("f", 2),
}


@dataclass(frozen=True)
class SeenLesion:
    """One lesion in one exam.

    key: the same in every year. label: 0..8. has_specimen: whether its pathology is known. lobe: an entry of LOBES.
    slice_number: InstanceNumber of the slice through its centre.
    """

    patient: str
    year: int
    key: str
    label: int
    has_specimen: bool
    attributes: LesionAttributes
    lobe: tuple[int, str, str] = UNKNOWN_LOBE
    slice_number: int = NO_SLICE


def write_nlst_tables(root: Path, sections: Sequence[PlannedSection], scans: Sequence[PlannedScan], seed: int) -> None:
    """Write nlst_prsn.csv, nlst_canc.csv, nlst_ctab.csv, nlst_ctabc.csv and nlst_screen.csv into tables/.

    Args:
        root: the cohort's folder, which holds the scans' true masks already.
        seed: of the days of exams and diagnoses.
    """
    in_sections = [
        SeenLesion(s.patient, s.study_year, "-".join(map(str, s.key)), s.label, s.pathology == s.label, s.attributes)
        for s in sections
    ]
    seen: dict[str, list[SeenLesion]] = {}
    for lesion in [*in_sections, *(lesion for scan in scans for lesion in _seen_in(root, scan))]:
        seen.setdefault(lesion.patient, []).append(lesion)
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}
    for index, (patient, lesions) in enumerate(seen.items()):
        _Patient(patient, lesions, generator(seed, TABLES, index)).write_into(tables)
    for name, rows in tables.items():
        write_table(root / "tables" / f"nlst_{name}.csv", rows, COLUMNS[name])


def _seen_in(root: Path, scan: PlannedScan) -> Iterator[SeenLesion]:
    arrays = load_arrays(root / "scans" / f"{scan.patient}.npz", SCAN_ARRAYS)
    lungs, spacing, origin, centres = (arrays[name] for name in SCAN_ARRAYS)
    if centres.shape != (len(scan.lesions), 3):
        raise CohortError(f"{root / 'scans'} holds another number of lesions of {scan.patient}: {REMEDY}.")
    for number, (attributes, label, centre) in enumerate(zip(scan.lesions, scan.labels, centres, strict=True), start=1):
        lobe = _lobe(lungs, spacing, origin, centre)
        slice_number = _slice_number(len(lungs), spacing, origin, centre)
        yield SeenLesion(scan.patient, scan.study_year, str(number), label, True, attributes, lobe, slice_number)


def _lobe(lungs: np.ndarray, spacing: np.ndarray, origin: np.ndarray, centre: np.ndarray) -> tuple[int, str, str]:
    """The lobe of a place: by its side of the body's mid-plane, x = 0, and by its third of that lung's height.

    Args:
        lungs: bool (z, y, x). spacing: (z, y, x) mm. origin, centre: (x, y, z) mm in LPS; smaller x is the right.
    """
    right = bool(centre[0] < 0)
    columns = (origin[0] + np.arange(lungs.shape[2]) * spacing[2] < 0) == right
    heights = origin[2] + np.flatnonzero(lungs[:, :, columns].any(axis=(1, 2))) * spacing[0]
    share = (centre[2] - heights[0]) / max(heights[-1] - heights[0], spacing[0])
    return LOBES["right" if right else "left"][int(np.clip(share * 3, 0, 2))]


def _slice_number(slices: int, spacing: np.ndarray, origin: np.ndarray, centre: np.ndarray) -> int:
    """InstanceNumber of the slice nearest to a place: the head comes first."""
    index = round(float((centre[2] - origin[2]) / spacing[0]))
    return slices - min(max(index, 0), slices - 1)


class _Patient:
    """One patient's rows in all tables."""

    def __init__(self, name: str, lesions: list[SeenLesion], rng: np.random.Generator) -> None:
        self._name = name
        self._lesions = lesions
        self._exam_years = sorted({lesion.year for lesion in lesions})
        first = int(rng.integers(0, 60))
        starts = first + 365 * np.arange(STUDY_YEARS) + np.array([0, *rng.integers(-20, 45, STUDY_YEARS - 1)])
        self._days = {year: int(starts[year]) for year in self._exam_years}
        self._has_cancer = any(lesion.label != NORMAL for lesion in lesions)
        self._diagnosis = self._days[self._exam_years[-1]] + int(rng.integers(14, 200))
        latest = {lesion.key: lesion for lesion in lesions if lesion.label != NORMAL and lesion.has_specimen}
        self._cancers = list(latest.values())

    def write_into(self, tables: dict[str, list[dict[str, Any]]]) -> None:
        """Append the rows of this patient."""
        tables["prsn"].append(self._person())
        tables["canc"].extend(self._cancer(order, lesion) for order, lesion in enumerate(self._cancers, start=1))
        for year in self._exam_years:
            tables["screen"].append({"pid": self._name, "study_yr": year, "ctdxqual": DIAGNOSTIC})
            for number, lesion in enumerate(self._abnormalities(year), start=1):
                key = {"pid": self._name, "study_yr": year, "sct_ab_num": number}
                tables["ctab"].append({**key, **_description(lesion)})
                if year > self._exam_years[0]:
                    tables["ctabc"].append({**key, **self._comparison(lesion)})

    def _abnormalities(self, year: int) -> list[SeenLesion]:
        return [s for s in self._lesions if s.year == year and s.attributes.finding == "nodule"]

    def _result(self, year: int) -> int:
        if year not in self._days:
            return CANCER_BEFORE if self._has_cancer and year > self._exam_years[-1] else REFUSED
        codes = {_code(lesion) for lesion in self._abnormalities(year)}
        return SUSPICIOUS if NODULE in codes else MINOR_ABNORMALITY if codes else NOTHING_SEEN

    def _person(self) -> dict[str, Any]:
        last = self._exam_years[-1]
        row = {"pid": self._name, "can_scr": NO_CANCER}
        row |= {f"scr_days{year}": day for year, day in self._days.items()}
        row |= {f"scr_res{year}": self._result(year) for year in range(STUDY_YEARS)}
        if self._has_cancer:
            row["can_scr"] = POSITIVE_SCREEN if self._result(last) == SUSPICIOUS else NEGATIVE_SCREEN
            row |= {"cancyr": last, "candx_days": self._diagnosis} | dict.fromkeys(LOCATIONS, 0)
            row[self._cancers[0].lobe[1] if self._cancers else "locunk"] = 1
            row |= _tumour(self._cancers[0]) if self._cancers else {}
        return row

    def _cancer(self, order: int, lesion: SeenLesion) -> dict[str, Any]:
        return {
            "pid": self._name,
            "lc_order": order,
            "first_lc": int(order == 1),
            "lc_morph": MORPHOLOGY[lesion.label],
            "lc_topog": lesion.lobe[2],
            "study_yr": self._exam_years[-1],
            "candx_days": self._diagnosis,
            **_tumour(lesion),
        }

    def _comparison(self, lesion: SeenLesion) -> dict[str, Any]:
        """What the comparison with earlier exams adds; growth is recorded of nodules that were seen before."""
        earlier = (s for year in self._exam_years if year < lesion.year for s in self._abnormalities(year))
        before = [s for s in earlier if s.key == lesion.key]
        row = {"sct_ab_code": _code(lesion), "sct_ab_preexist": YES if before else NO}
        if not before:
            return row
        row["visible_days"] = self._days[before[0].year]
        if _code(lesion) == NODULE:
            grown = _long_mm(lesion) - _long_mm(before[-1]) >= GROWTH_MM
            row |= {"sct_ab_gwth": YES if grown else NO, "sct_ab_attn": NO}
        return row


def _tumour(lesion: SeenLesion) -> dict[str, Any]:
    size = _long_mm(lesion)
    stage = STAGE_IA if size <= LARGEST_IA_MM else STAGE_IB
    return {"de_type": MORPHOLOGY[lesion.label], "de_stag": stage, "lesionsize": size}


def _long_mm(lesion: SeenLesion) -> int:
    return round(lesion.attributes.diameter_mm)


def _code(lesion: SeenLesion) -> int:
    return CALCIFIED_NODULE if lesion.attributes.calcification == "central" else NODULE


def _description(lesion: SeenLesion) -> dict[str, Any]:
    """The columns of nlst_ctab that describe one abnormality; the details are filled for code 51 only."""
    if _code(lesion) == CALCIFIED_NODULE:
        return {"sct_ab_desc": CALCIFIED_NODULE}
    attributes = lesion.attributes
    margins = SPICULATED if attributes.spiculation > 0.5 else SMOOTH
    return {
        "sct_ab_desc": NODULE,
        "sct_epi_loc": lesion.lobe[0],
        "sct_slice_num": lesion.slice_number,
        "sct_long_dia": _long_mm(lesion),
        "sct_perp_dia": round(attributes.diameter_mm * (1 - 0.55 * attributes.elongation)),
        "sct_margins": POORLY_DEFINED if attributes.texture == "ground glass" else margins,
        "sct_pre_att": ATTENUATION[attributes.texture],
    }
