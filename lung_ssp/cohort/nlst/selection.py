"""Which series are usable, why the others are not, and which one is chosen for its exam."""

import numpy as np
import pandas as pd

from lung_ssp.cohort.nlst.settings import SelectionSettings

# Why a series is excluded, in the order of the checks. A series that fails a later check came nearer to being usable:
# an exam without a usable series is counted under the last of its series' reasons.
REASONS = (
    DERIVED := "made by an analysis, not by the scanner",
    UNREADABLE := "the description cannot be parsed",
    SHARED_STUDY := "its study belongs to several participants",
    OTHER_YEAR := "the description's year and the study date disagree",
    LOCALIZER := "a localizer",
    OTHER_TYPE := "of another type than the accepted ones",
    NO_THICKNESS := "the thickness is unknown",
    TOO_THICK := "the slices are too thick",
    TOO_FEW := "too few slices",
    TOO_MANY := "too many slices",
    OTHER_KERNEL := "the kernel is not accepted",
)
FIRST_YEAR = 1999  # IDC's StudyDate of screening year T0 is 1999-01-02, of T2 2001-01-02


def exclusion_reasons(series: pd.DataFrame, settings: SelectionSettings) -> pd.Series:
    """Why each CT series is not usable, one of REASONS; "" for the usable ones.

    Args:
        series: participant, study_uid, study_date, analysis, instances, and what its description says (type missing
            where it cannot be parsed).
    """
    participants = series.groupby("study_uid", observed=True)["participant"].nunique()
    dated = pd.to_numeric(series["study_date"].astype(object).str[:4], errors="coerce") - FIRST_YEAR
    conditions = {
        DERIVED: series["analysis"].ne(""),
        UNREADABLE: series["type"].isna(),
        SHARED_STUDY: series["study_uid"].isin(participants.index[participants > 1]),
        OTHER_YEAR: dated.ne(series["study_year"].astype(float)),
        LOCALIZER: series["localizer"],
        OTHER_TYPE: ~series["type"].isin(settings.types),
        NO_THICKNESS: series["thickness_mm"].isna(),
        TOO_THICK: series["thickness_mm"].gt(settings.max_thickness_mm),
        TOO_FEW: series["instances"].lt(settings.min_slices),
        TOO_MANY: series["instances"].gt(np.inf if settings.max_slices is None else settings.max_slices),
        OTHER_KERNEL: ~series["kernel"].isin(settings.kernels) & (settings.other_kernels == "refuse"),
    }
    masks = [conditions[reason].to_numpy(dtype=bool) for reason in REASONS]
    return pd.Series(np.select(masks, list(REASONS), default=""), index=series.index)


def nearest_reasons(series: pd.DataFrame) -> pd.Series:
    """For each study without a usable series the reason of the one that came nearest; indexed by study_uid."""
    rank = series["reason"].map({reason: order for order, reason in enumerate(REASONS)}).fillna(len(REASONS))
    nearest = rank.groupby(series["study_uid"].astype(str)).max().astype(int)
    return nearest[nearest < len(REASONS)].map(lambda order: REASONS[order])


def choose_series(usable: pd.DataFrame, settings: SelectionSettings) -> pd.DataFrame:
    """The one series of each exam (participant and study year) that comes first by the rule of SelectionSettings.

    Args:
        usable: the usable series, with the column preference (int, the higher the better, 0 for none).
    """
    ranked = usable.assign(
        later=-usable["preference"],
        type_rank=_rank(usable["type"], settings.types),
        kernel_rank=_rank(usable["kernel"], settings.kernels),
        fewer=-usable["instances"],
        participant=usable["participant"].astype(str),
    )
    exam = ["participant", "study_year"]
    rule = ["later", "type_rank", "kernel_rank", "thickness_mm", "fewer", "series_uid"]
    first = ranked.sort_values(exam + rule).drop_duplicates(exam)
    return usable.loc[first.index]


def _rank(values: pd.Series, order: list[str]) -> pd.Series:
    """The position of each value in a list, after its end where it is not in it."""
    places = {value: place for place, value in enumerate(order)}
    return values.astype(object).map(places).fillna(len(order))
