"""NLST's tables in both flavours (the Imaging Data Commons' and CDAS's) as typed tables without identities.

Participants are pseudonyms from here on. What contradicts NLST's own dictionaries stops the reading with one
sentence; what is odd but can be (a cancer before the first screening exam) is counted in a report.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd

from lung_ssp.cohort.nlst.codes import (
    ANSWERS,
    ATTENUATIONS,
    CAN_SCR,
    CANCER_YEARS,
    DESCRIPTIONS,
    LOBE_CODES,
    LOCATION_COLUMNS,
    MARGINS,
    NO_CANCER,
    OTHER_PLACE,
    SCREEN_RESULTS,
    STAGES,
    STUDY_YEARS,
)
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.table_files import FILE_NAMES, find_table, is_missing, read_texts
from lung_ssp.errors import CohortError

REQUIRED_TABLES = ("prsn", "canc", "ctab")
PATIENT_ID = "dicom_patient_id"  # the Imaging Data Commons' name for pid, in every one of its clinical tables


@dataclass(frozen=True)
class Tables:
    """NLST's tables; `participant` is a pseudonym, days are counted from the randomization, missing values are NA.

    persons (participant): can_scr, cancyr, candx_days, scr_days0-2, scr_res0-2, de_type, the 14 loc* columns (Int64),
        stage and stage_7th (text such as IA or IIIB, from de_stag and de_stag_7thed in either coding).
    cancers (participant, lc_order): lc_morph, candx_days, study_yr, first_lc (Int64), lesionsize (mm, float), lc_topog,
        stage, stage_7th (text).
    abnormalities (participant, study_yr, sct_ab_num): sct_ab_desc, sct_epi_loc, sct_slice_num, sct_margins,
        sct_pre_att (Int64), sct_long_dia, sct_perp_dia (mm, float).
    comparisons, of the same key: sct_ab_code, sct_ab_preexist, sct_ab_gwth, sct_ab_attn, visible_days (Int64); no rows
        where the table is not there.
    screens (participant, study_yr): ctdxqual (Int64); no rows where the table is not there.
    report: how often each oddity occurs, zeros included.
    """

    persons: pd.DataFrame
    cancers: pd.DataFrame
    abnormalities: pd.DataFrame
    comparisons: pd.DataFrame
    screens: pd.DataFrame
    report: dict[str, int]


@dataclass(frozen=True)
class Column:
    """What a column may hold.

    kind: whole numbers, numbers, text, or a stage's code. codes: the only values allowed, None for any. needed:
    whether the column must be there. filled: whether no value may be missing.
    """

    name: str
    kind: Literal["whole", "number", "text", "stage"] = "whole"
    codes: Collection[int] | None = None
    needed: bool = True
    filled: bool = False


STAGE_COLUMNS = (Column("de_stag", "stage", STAGES, needed=False), Column("de_stag_7thed", "stage", STAGES, False))
STAGE_NAMES = {"de_stag": "stage", "de_stag_7thed": "stage_7th"}
STUDY_YEAR = Column("study_yr", codes=STUDY_YEARS, filled=True)
ABNORMALITY_NUMBER = Column("sct_ab_num", filled=True)

KEYS = {
    "prsn": ("pid",),
    "canc": ("pid", "lc_order"),
    "ctab": ("pid", "study_yr", "sct_ab_num"),
    "ctabc": ("pid", "study_yr", "sct_ab_num"),
    "screen": ("pid", "study_yr"),
}
COLUMNS = {
    "prsn": (
        Column("can_scr", codes=CAN_SCR, filled=True),
        Column("cancyr", codes=CANCER_YEARS),
        Column("candx_days"),
        *(Column(f"scr_days{year}") for year in STUDY_YEARS),
        *(Column(f"scr_res{year}", codes=SCREEN_RESULTS) for year in STUDY_YEARS),
        *(Column(name, codes=(0, 1)) for name in LOCATION_COLUMNS),
        Column("de_type", needed=False),
        *STAGE_COLUMNS,
    ),
    "canc": (
        Column("lc_order", filled=True),
        Column("lc_morph", filled=True),
        Column("candx_days"),
        Column("study_yr", codes=CANCER_YEARS, needed=False),
        Column("first_lc", codes=(0, 1), needed=False),
        Column("lesionsize", "number", needed=False),
        Column("lc_topog", "text", needed=False),
        *STAGE_COLUMNS,
    ),
    "ctab": (
        STUDY_YEAR,
        ABNORMALITY_NUMBER,
        Column("sct_ab_desc", codes=DESCRIPTIONS, filled=True),
        Column("sct_epi_loc", codes=(*LOBE_CODES, OTHER_PLACE)),
        Column("sct_slice_num"),
        Column("sct_margins", codes=MARGINS),
        Column("sct_pre_att", codes=ATTENUATIONS),
        Column("sct_long_dia", "number"),
        Column("sct_perp_dia", "number"),
    ),
    "ctabc": (
        STUDY_YEAR,
        ABNORMALITY_NUMBER,
        Column("sct_ab_code", codes=DESCRIPTIONS),
        Column("sct_ab_preexist", codes=ANSWERS),
        Column("sct_ab_gwth", codes=ANSWERS),
        Column("sct_ab_attn", codes=ANSWERS),
        Column("visible_days", needed=False),
    ),
    "screen": (STUDY_YEAR, Column("ctdxqual", codes=(1, 2, 3))),
}


def read_tables(folder: Path, pseudonyms: Pseudonyms) -> Tables:
    """Read NLST's tables from a folder; file names are told in table_files.py.

    prsn, canc and ctab must be there, ctabc and screen may be.

    Raises:
        CohortError: a table or a column is missing, a value is not of its code list, a key occurs twice; the message
            names the table, the column, the value and how many rows have it, never a participant.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CohortError(f"{folder} is no folder: give the folder that holds NLST's tables.")
    persons, cancers, abnormalities, comparisons, screens = (
        _read_table(folder, table, pseudonyms) for table in FILE_NAMES
    )
    report = _oddities(persons, cancers, abnormalities, comparisons, screens)
    return Tables(persons, cancers, abnormalities, comparisons, screens, report)


def _read_table(folder: Path, table: str, pseudonyms: Pseudonyms) -> pd.DataFrame:
    path = find_table(folder, table)
    if path is None:
        if table in REQUIRED_TABLES:
            names = " or ".join((f"nlst_{table}.csv", *(f"{name}.csv" for name in FILE_NAMES[table][1:])))
            raise CohortError(f"{folder} lacks NLST's table {table}: put {names} there (or .parquet).")
        texts = pd.DataFrame(columns=["pid", *(column.name for column in COLUMNS[table])], dtype=str)
        return _typed(texts, table, f"NLST's table {table}", pseudonyms)
    return _typed(read_texts(path), table, f"NLST's table {table} ({path.name})", pseudonyms)


def _typed(texts: pd.DataFrame, table: str, where: str, pseudonyms: Pseudonyms) -> pd.DataFrame:
    """The table's columns in their types, checked, and the pseudonym instead of the participant's number."""
    if "pid" not in texts.columns and PATIENT_ID in texts.columns:
        texts = texts.rename(columns={PATIENT_ID: "pid"})
    if "pid" not in texts.columns:
        raise CohortError(f"{where} lacks the column pid: get the table anew.")
    if empty := int(is_missing(texts["pid"]).sum()):
        raise CohortError(f"{where}: pid is missing in {_rows(empty)}.")
    names = {pid: pseudonyms.participant(pid) for pid in texts["pid"].unique()}
    columns = {"participant": texts["pid"].map(names).astype(str)}
    for column in COLUMNS[table]:
        columns[STAGE_NAMES.get(column.name, column.name)] = _values(texts, column, where)
    typed = pd.DataFrame(columns)
    key = ["participant", *KEYS[table][1:]]
    if twice := int(typed.duplicated(key).sum()):
        raise CohortError(
            f"{where}: {_rows(twice)} with a key ({', '.join(KEYS[table])}) that another has: remove them."
        )
    return typed


def _values(texts: pd.DataFrame, column: Column, where: str) -> pd.Series:
    """One column in its type: Int64, float or text, with NA where a value is missing."""
    if column.name not in texts.columns:
        if column.needed:
            raise CohortError(f"{where} lacks the column {column.name}: get the table with it.")
        given = pd.Series("", index=texts.index, dtype=str)
    else:
        given = texts[column.name].str.strip()
    missing = is_missing(given)
    if column.filled and missing.any():
        raise CohortError(f"{where}: {column.name} is missing in {_rows(int(missing.sum()))}.")
    if column.kind == "text":
        return given.mask(missing, pd.NA).astype("string")
    numbers = pd.to_numeric(given.mask(missing), errors="coerce").astype("Float64")
    finite = numbers.abs().lt(float(2**53)).fillna(False)
    refuse = partial(_refuse, given, column=column, where=where, identities=set(texts["pid"]))
    refuse(~missing & ~finite, fault="no number")
    if column.kind == "number":
        return numbers.astype("float64")
    refuse(~missing & (numbers % 1 != 0).fillna(False), fault="no whole number")
    if column.codes is not None:
        allowed = list(column.codes)
        refuse(~missing & ~numbers.isin(allowed), fault=f"not one of its codes ({_listed(allowed)})")
    whole = numbers.astype("Int64")
    return whole.map(STAGES, na_action="ignore").astype("string") if column.kind == "stage" else whole


def _refuse(
    given: pd.Series, wrong: pd.Series, column: Column, where: str, fault: str, identities: Collection[str]
) -> None:
    if wrong.any():
        value = given[wrong].iloc[0]
        rows = _rows(int((given == value).sum()))
        told = "a participant's number" if value in identities else f"'{value}'"  # columns may have been shifted
        raise CohortError(f"{where}: {column.name} is {told} in {rows}, which is {fault}.")


def _listed(codes: list[int]) -> str:
    return ", ".join(map(str, sorted(codes)))


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def _oddities(
    persons: pd.DataFrame,
    cancers: pd.DataFrame,
    abnormalities: pd.DataFrame,
    comparisons: pd.DataFrame,
    screens: pd.DataFrame,
) -> dict[str, int]:
    """What is odd between the tables, counted."""
    known = set(persons.participant)
    days = persons.set_index("participant")[[f"scr_days{year}" for year in STUDY_YEARS]]
    without_cancer = set(persons.participant[persons.can_scr == NO_CANCER])
    with_cancer = known - without_cancer
    in_canc = set(cancers.participant)
    first_screen = cancers.participant.map(days.min(axis=1))
    first = cancers.sort_values("lc_order").drop_duplicates("participant").set_index("participant").candx_days
    diagnosed = persons.set_index("participant").candx_days
    key = ["participant", "study_yr", "sct_ab_num"]
    compared = comparisons.merge(abnormalities[[*key, "sct_ab_desc"]], on=key, how="left")
    screened = {
        (participant, year) for year in STUDY_YEARS for participant in days.index[days[f"scr_days{year}"].notna()]
    }
    years = {
        name: set(zip(table.participant, table.study_yr, strict=True)) - screened
        for name, table in (("abnormalities", abnormalities), ("screens", screens))
    }
    counted = {
        "participants without the day of any screening exam": days.isna().all(axis=1).sum(),
        "participants with abnormalities but no row in prsn": len(set(abnormalities.participant) - known),
        "participants with a cancer in canc but no row in prsn": len(in_canc - known),
        "participants with can_scr above 0 but no cancer in canc": len(with_cancer - in_canc),
        "participants with can_scr = 0 but a cancer in canc": len(without_cancer & in_canc),
        "participants whose candx_days differ between prsn and canc": (
            diagnosed.reindex(first.index).sub(first).fillna(0) != 0
        ).sum(),
        "cancers without a day of diagnosis": cancers.candx_days.isna().sum(),
        "cancers diagnosed before the first screening exam": (cancers.candx_days < first_screen).fillna(False).sum(),
        "exams with abnormalities but no day of the exam": len(years["abnormalities"]),
        "exams in screen but no day of the exam": len(years["screens"]),
        "comparisons without an abnormality in ctab": compared.sct_ab_desc.isna().sum(),
        "comparisons whose code differs from ctab's": (compared.sct_ab_code != compared.sct_ab_desc)
        .fillna(False)
        .sum(),
    }
    return {oddity: int(count) for oddity, count in counted.items()}
