"""NLST's tables in both flavours (the Imaging Data Commons' and CDAS's) as typed tables without identities.

Participants are pseudonyms from here on. What contradicts NLST's own dictionaries is an error of one sentence; what is
odd but possible (a cancer before the first screening exam) is counted.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from lung_ssp.cohort.nlst.codes import NO_CANCER, STAGES, STUDY_YEARS
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.table_files import (
    COLUMNS,
    FILE_NAMES,
    KEYS,
    STAGE_NAMES,
    Column,
    find_table,
    is_missing,
    read_texts,
)
from lung_ssp.errors import CohortError, shown

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
    oddities: how often each oddity occurs, zeros included.
    """

    persons: pd.DataFrame
    cancers: pd.DataFrame
    abnormalities: pd.DataFrame
    comparisons: pd.DataFrame
    screens: pd.DataFrame
    oddities: dict[str, int]


def read_tables(folder: Path, pseudonyms: Pseudonyms) -> Tables:
    """Read NLST's tables from a folder; table_files.py lists the names of the files.

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
    oddities = _count_oddities(persons, cancers, abnormalities, comparisons, screens)
    return Tables(persons, cancers, abnormalities, comparisons, screens, oddities)


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
        raise CohortError(f"{where} lacks the column pid: get the table again.")
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
    refuse(~missing & ~finite, problem="no number")
    if column.kind == "number":
        return numbers.astype("float64")
    refuse(~missing & (numbers % 1 != 0).fillna(False), problem="no whole number")
    if column.codes is not None:
        allowed = sorted(column.codes)
        refuse(~missing & ~numbers.isin(allowed), problem=f"not one of its codes ({', '.join(map(str, allowed))})")
    whole = numbers.astype("Int64")
    return whole.map(STAGES, na_action="ignore").astype("string") if column.kind == "stage" else whole


def _refuse(
    given: pd.Series, wrong: pd.Series, column: Column, where: str, problem: str, identities: Collection[str]
) -> None:
    if wrong.any():
        value = given[wrong].iloc[0]
        rows = _rows(int((given == value).sum()))
        told = "a participant's number" if value in identities else shown(value)  # columns may have been shifted
        raise CohortError(f"{where}: {column.name} is {told} in {rows}, which is {problem}.")


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def _count_oddities(
    persons: pd.DataFrame,
    cancers: pd.DataFrame,
    abnormalities: pd.DataFrame,
    comparisons: pd.DataFrame,
    screens: pd.DataFrame,
) -> dict[str, int]:
    """How often each thing occurs that is odd but possible, zeros included."""
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
