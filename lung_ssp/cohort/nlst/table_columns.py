"""The columns of NLST's tables that are read, and what each may hold."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

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
