"""The index by what its series are for: usable CT series, one for each exam, and the masks and slides beside them."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lung_ssp.cohort.nlst.index import parse_descriptions
from lung_ssp.cohort.nlst.plan_table import LESION_MASK, LUNG_MASK
from lung_ssp.cohort.nlst.settings import PlanSettings, SelectionSettings
from lung_ssp.errors import CohortError

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
# NLSTSeg and TotalSegmentator name the SeriesNumber of their CT: "NLSTSeg Segmentation of Series: 2",
# "TotalSegmentator(v1.5.6) Segmentation of Series 3".
NAMED_SERIES = r"Segmentation of Series:? (\d+)$"
STUDY = ["participant", "study_uid"]


@dataclass(frozen=True)
class ClassifiedIndex:
    """The index of a collection, each CT series with the reason why it is not usable.

    ct: all CT series, with the fields of their descriptions, reason ("" where usable), has_boxes, annotated and
        chosen (bool).
    masks: segmentations of the analyses in the settings, with their role.
    links: mask_uid, ct_uid.
    slides: pathology slides of the whole collection.
    """

    ct: pd.DataFrame
    masks: pd.DataFrame
    links: pd.DataFrame
    slides: pd.DataFrame


def classify_index(index: pd.DataFrame, series_with_boxes: Set[str], settings: PlanSettings) -> ClassifiedIndex:
    """Find the usable CT series, choose one for each exam, and find the masks that belong to them.

    series_with_boxes: UIDs of the series that files of boxes name.

    Raises:
        CohortError: the index has no masks of an analysis in the settings.
    """
    ct = index[index["modality"].eq("CT")]
    ct = ct.join(parse_descriptions(ct["description"]))
    ct["reason"] = exclusion_reasons(ct, settings.selection)
    roles = dict.fromkeys(settings.lesion_masks, LESION_MASK) | dict.fromkeys(settings.lung_masks, LUNG_MASK)
    masks = index[index["modality"].eq("SEG") & index["analysis"].isin(list(roles))]
    masks = masks.assign(role=masks["analysis"].astype(object).map(roles))
    absent = sorted(set(roles) - set(masks["analysis"]))
    if absent:
        raise CohortError(f"the index holds no masks of {', '.join(absent)}: correct lesion_masks or lung_masks.")
    links = link_masks(masks, ct[ct["analysis"].eq("")])
    lesions = links.loc[links["mask_uid"].isin(masks.loc[masks["role"].eq(LESION_MASK), "series_uid"]), "ct_uid"]
    ct["has_boxes"] = ct["series_uid"].isin(series_with_boxes)
    masked = ct["series_uid"].isin(lesions)
    ct["annotated"] = ct["has_boxes"] | masked
    # Masks are preferred to boxes, and both of one series to either.
    ct["preference"] = (2 * masked + ct["has_boxes"]) * settings.prefer_annotated
    usable = ct[ct["reason"].eq("")]
    ct["chosen"] = ct.index.isin(choose_series(usable, settings.selection).index)
    slides = index[index["modality"].eq("SM")] if settings.slides else index.iloc[:0]
    return ClassifiedIndex(ct, masks, links, slides)


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
    """The usable series of each exam (participant and study year) that comes first by the rule of SelectionSettings.

    The column preference (int, the higher the better, 0 for none) goes before the rest.
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


def link_masks(masks: pd.DataFrame, ct: pd.DataFrame) -> pd.DataFrame:
    """The CT series that each mask may belong to: mask_uid, ct_uid, one row a link.

    A mask belongs to its study and, where its description names a series number, to the series of that number. A
    number can occur twice in a study; then, as where none is named, the mask is linked to each, and reading the mask
    checks which series it really refers to.

    Args:
        masks, ct: series of one index (cohort/nlst/index.py), with the same categories of participants and studies.
    """
    named = pd.to_numeric(masks["description"].astype(object).str.extract(NAMED_SERIES)[0])
    left = _study_keys(masks, "mask_uid", named)
    right = _study_keys(ct, "ct_uid", pd.to_numeric(ct["series_number"].astype(object), errors="coerce"))
    by_number = left[left["number"].notna()].merge(right, on=[*STUDY, "number"])
    by_study = left[left["number"].isna()].merge(right, on=STUDY)
    return pd.concat([part[["mask_uid", "ct_uid"]] for part in (by_number, by_study)], ignore_index=True)


def _study_keys(series: pd.DataFrame, name: str, numbers: pd.Series) -> pd.DataFrame:
    """What masks and CT series are joined by; codes instead of texts, which take four times the memory."""
    keys = {column: series[column].cat.codes for column in STUDY}
    return pd.DataFrame({name: series["series_uid"], **keys, "number": numbers})
