"""NLST's tables on disk: which file holds which table, its contents as text, and what each column may hold.

The files are named as in FILE_NAMES, in any case of letters, with the project's number in front or a delivery's date
behind: nlst_780_prsn_idc_20210527 from the Imaging Data Commons, participant_d040722 from CDAS. They lie in the folder
itself or, as CDAS packs them, in folders directly below it.
"""

import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass
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
    OTHER_PLACE,
    SCREEN_RESULTS,
    STAGES,
    STUDY_YEARS,
)
from lung_ssp.cohort.nlst.pseudonyms import plain_number
from lung_ssp.errors import CohortError, cut, shown

FILE_NAMES = {
    "prsn": ("prsn", "participant"),
    "canc": ("canc", "clinical", "lung_cancer"),
    "ctab": ("ctab", "sctabn", "sct_abnormalities"),
    "ctabc": ("ctabc", "sctabnc", "sct_comparison", "sct_comparison_abnormalities"),
    "screen": ("screen", "sctscreen", "sct_screening"),
}
LARGEST_TABLE = 1_000_000_000  # bytes
MOST_ROWS, MOST_COLUMNS = 5_000_000, 1000
# what pandas and pyarrow raise of a damaged or foreign file
UNREADABLE = (OSError, ValueError, OverflowError, RuntimeError, MemoryError, KeyError, pd.errors.ParserWarning)
ENDINGS = (".csv", ".parquet")
MISSING = re.compile(r"\.?[EMNSW]|\.|nan|none|null|<na>|", re.IGNORECASE)  # empty, or SAS's special missing values


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


def find_table(folder: Path, table: str) -> Path | None:
    """The file that holds a table, None where there is none.

    Raises:
        CohortError: several files could be it.
    """
    names = "|".join(map(re.escape, FILE_NAMES[table]))
    pattern = re.compile(rf"(nlst_)?(\d+_)?({names})(_idc)?(_d?\d{{6,8}})?", re.IGNORECASE)
    found = [
        path
        for path in sorted([*folder.glob("*"), *folder.glob("*/*")])
        if path.suffix.lower() in ENDINGS and path.is_file() and pattern.fullmatch(path.stem.replace(" ", "_"))
    ]
    if len(found) > 1:
        both = " and ".join(str(path.relative_to(folder)) for path in found[:2])
        raise CohortError(f"{folder} holds the table {table} more than once, in {both}: leave only one of them there.")
    return found[0] if found else None


def read_texts(path: Path) -> pd.DataFrame:
    """A table with every value as text, "" where it is missing, and column names in lower case.

    Whole numbers lose the ".0" that gaps in a column give them.

    Raises:
        CohortError: the file is no such table, or two of its columns differ by their case only.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise ValueError(f"it has more than {LARGEST_TABLE / 1e9:g} GB")
        table = _read_csv(path) if path.suffix.lower() == ".csv" else _read_parquet(path)
    except ImportError as error:
        raise CohortError(f"{path} needs pyarrow: install the extra nlst (pip install 'lung-ssp[nlst]').") from error
    except UNREADABLE as error:
        raise CohortError(f"{path} cannot be read as a table ({cut(error)}): get the file again.") from error
    table.columns = [str(name).strip().lower() for name in table.columns]
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise CohortError(f"{path} has the column {shown(twice[0])} twice: remove one.")
    try:
        return table.apply(_as_texts)
    except TypeError as error:
        raise CohortError(f"{path} holds lists or other nested values: get the file again.") from error


def _read_csv(path: Path) -> pd.DataFrame:
    """A CSV table; a row with more values than there are columns is an error, not a shift of all columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            path,
            dtype=str,
            index_col=False,
            keep_default_na=False,
            skipinitialspace=True,
            encoding="utf-8-sig",
        )


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    if metadata.num_rows > MOST_ROWS or metadata.num_columns > MOST_COLUMNS:
        raise ValueError(f"it has more than {MOST_ROWS:,} rows or {MOST_COLUMNS:,} columns")
    return pd.read_parquet(path)


def _as_texts(column: pd.Series) -> pd.Series:
    texts = {value: "" if pd.isna(value) else plain_number(value) for value in column.unique()}
    return column.map(texts).fillna("").astype(str)


def is_missing(texts: pd.Series) -> pd.Series:
    """Which values are missing: bool, on the same index."""
    return texts.str.fullmatch(MISSING)
