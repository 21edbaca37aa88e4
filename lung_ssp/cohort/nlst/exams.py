"""NLST's exams: what its tables say of one participant's screening CT in one year."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from lung_ssp.cohort.nlst.codes import (
    ANSWERS,
    ATTENUATIONS,
    LOBE_CODES,
    LOBE_COLUMNS,
    LOBES,
    MARGINS,
    NO_SLICE,
    SIDE_COLUMNS,
    STUDY_YEARS,
    lobes_of_side,
    whole_lobe,
)
from lung_ssp.cohort.nlst.histology import HistologyMap
from lung_ssp.cohort.nlst.tables import Tables

# ICD-O-3 topography C34.1, C34.2, C34.3: the level without the side; the middle lobe has one side only
LEVELS = {"C341": frozenset({"RUL", "LUL"}), "C342": frozenset({"RML"}), "C343": frozenset({"RLL", "LLL"})}


@dataclass(frozen=True)
class Abnormality:
    """One abnormality that the reader recorded; None is what was not recorded.

    number: sct_ab_num. desc: code of sct_ab_desc. lobe: RUL, RML, RLL, LUL, lingula, LLL. slice_number: InstanceNumber
    of the slice with its largest diameter. long_mm, perpendicular_mm: its diameters. margins, attenuation, growth,
    preexisting, attenuation_change: words of codes.py; the last three from the comparison with earlier exams.
    """

    number: int
    desc: int
    lobe: str | None = None
    slice_number: int | None = None
    long_mm: float | None = None
    perpendicular_mm: float | None = None
    margins: str | None = None
    attenuation: str | None = None
    growth: str | None = None
    preexisting: str | None = None
    attenuation_change: str | None = None


@dataclass(frozen=True)
class Cancer:
    """One confirmed lung cancer.

    order: lc_order. label: class 1..8 of its morphology. candx_days: day of its diagnosis. lobes: recorded as such.
    possible: the lobes (lingula counted to the left upper lobe) in which it may lie, by all that is recorded.
    stage: such as IA, or None.
    """

    order: int
    label: int
    candx_days: int | None
    lobes: frozenset[str]
    stage: str | None = None
    possible: frozenset[str] = LOBES


@dataclass(frozen=True)
class Exam:
    """One screening exam. Days are counted from the randomization.

    participant: pseudonym. study_year: 0..2. exam_day: scr_days of that year. can_scr: 0 is no cancer within the study.
    candx_days: of the participant's first cancer. cancers: all of the participant's, whenever diagnosed. result: code
    of scr_res of that year.
    """

    participant: str
    study_year: int
    exam_day: int | None
    can_scr: int
    candx_days: int | None
    abnormalities: tuple[Abnormality, ...]
    cancers: tuple[Cancer, ...]
    result: int | None = None


def exams_of(tables: Tables, morphology: HistologyMap) -> dict[tuple[str, int], Exam]:
    """Every exam that a table mentions, by participant and study year.

    A participant who is not in prsn has none: whether there was a cancer is not known.

    Raises:
        CohortError: a cancer's morphology is not in the map.
    """
    cancers = _cancers(tables, morphology)
    abnormalities = _abnormalities(tables)
    screened = set(zip(tables.screens.participant, tables.screens.study_yr.map(int), strict=True))
    exams = {}
    for person in _rows(tables.persons):
        participant = str(person["participant"])
        for year in STUDY_YEARS:
            key = participant, year
            day = person[f"scr_days{year}"]
            if day is None and key not in abnormalities and key not in screened:
                continue
            exams[key] = Exam(
                participant=participant,
                study_year=year,
                exam_day=day,
                can_scr=person["can_scr"],
                candx_days=person["candx_days"],
                abnormalities=tuple(abnormalities.get(key, ())),
                cancers=tuple(cancers.get(participant, ())),
                result=person[f"scr_res{year}"],
            )
    return exams


def _abnormalities(tables: Tables) -> dict[tuple[str, int], list[Abnormality]]:
    """The abnormalities of each exam by number, with what the comparison says of them."""
    key = ["participant", "study_yr", "sct_ab_num"]
    table = tables.abnormalities.merge(tables.comparisons, on=key, how="left").sort_values(key)
    found: dict[tuple[str, int], list[Abnormality]] = {}
    for row in _rows(table):
        slice_number = row["sct_slice_num"]
        found.setdefault((row["participant"], row["study_yr"]), []).append(
            Abnormality(
                number=row["sct_ab_num"],
                desc=row["sct_ab_desc"],
                lobe=LOBE_CODES.get(row["sct_epi_loc"]),
                slice_number=None if slice_number == NO_SLICE else slice_number,
                long_mm=row["sct_long_dia"],
                perpendicular_mm=row["sct_perp_dia"],
                margins=MARGINS.get(row["sct_margins"]),
                attenuation=ATTENUATIONS.get(row["sct_pre_att"]),
                growth=ANSWERS.get(row["sct_ab_gwth"]),
                preexisting=ANSWERS.get(row["sct_ab_preexist"]),
                attenuation_change=ANSWERS.get(row["sct_ab_attn"]),
            )
        )
    return found


def _cancers(tables: Tables, morphology: HistologyMap) -> dict[str, list[Cancer]]:
    """The cancers of each participant by order; prsn's locations are those of the first one."""
    labels = morphology.class_of(tables.cancers.lc_morph)
    table = tables.cancers.assign(label=labels).sort_values(["participant", "lc_order"])
    affected = tables.persons[tables.persons.participant.isin(set(table.participant))]
    persons = {row["participant"]: row for row in _rows(affected)}
    found: dict[str, list[Cancer]] = {}
    for row in _rows(table):
        own = found.setdefault(row["participant"], [])
        level = LEVELS.get((row["lc_topog"] or "").upper().replace(".", "").strip(), LOBES)
        lobes, possible = _location({} if own else persons.get(row["participant"], {}), level)
        own.append(Cancer(row["lc_order"], row["label"], row["candx_days"], lobes, row["stage"], possible))
    return found


def _location(person: dict, level: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The lobes recorded of a cancer, and those in which it may lie."""
    recorded = frozenset(lobe for column, lobe in LOBE_COLUMNS.items() if person.get(column) == 1)
    if recorded:
        return recorded, frozenset(map(whole_lobe, recorded))
    if len(level) == 1:
        return level, level
    sides = {side for column, side in SIDE_COLUMNS.items() if person.get(column) == 1}
    of_sides = frozenset().union(*map(lobes_of_side, sides)) if sides else LOBES
    return frozenset(), (level & of_sides) or of_sides


def _rows(table: pd.DataFrame) -> Iterator[dict]:
    """The rows of a table as plain values, None where one is missing."""
    plain = table.astype(object).where(table.notna(), None)
    names = list(plain.columns)
    for values in zip(*(plain[name].tolist() for name in names), strict=True):
        yield dict(zip(names, values, strict=True))
