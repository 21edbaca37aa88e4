"""What a plan holds and what it leaves out, in numbers: every series and every exam is accounted for."""

from collections.abc import Set
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from lung_ssp.cohort.idc.amounts import MB_OF_GB
from lung_ssp.cohort.nlst.plan_table import CT, LESION_MASK, LUNG_MASK, ROLES, SLIDE
from lung_ssp.cohort.nlst.selection import UNREADABLE, ClassifiedIndex

PLANNED = "planned"
USABLE = "usable, but another one stands for the exam"
OUT_OF_NARROWED = "chosen, but its exam is not in the narrowed plan"
LISTED = 20  # descriptions that cannot be parsed; the others are counted together

Counts = dict[str, int]


@dataclass(frozen=True)
class IndexCounts:
    """The size of the index: CT series (all, and original ones), participants, studies, and pairs of these."""

    ct_series: int
    original_ct_series: int
    participants: int
    studies: int
    participant_studies: int
    participant_years: int


@dataclass(frozen=True)
class PlannedCounts:
    """The exams of a plan: how many, by year, maker, kernel and thickness, and with which annotations."""

    participants: int
    exams: int
    by_year: Counts
    by_maker: Counts
    by_kernel: Counts
    by_thickness_mm: Counts
    with_lesion_mask: int
    with_lung_mask: int
    with_boxes: int
    with_lesion_mask_or_boxes: int
    participants_with_slides: int


@dataclass(frozen=True)
class DownloadSize:
    """Series, files and GB (1e9 bytes)."""

    series: int
    files: int
    gb: float


@dataclass(frozen=True)
class BoxCounts:
    """Series that files of boxes name: all, those not in the index, and the others by outcome."""

    series_named: int
    not_in_index: int
    outcomes: Counts


@dataclass(frozen=True)
class PlanSummary:
    """The numbers of a plan.

    key: hash of what the plan is made from. salt: what the pseudonyms make of a fixed text.
    series, exams: every CT series and every study of the index by outcome ("planned", or why not).
    unreadable_descriptions: those that occur most often.
    size: of what is to be downloaded, by role, and "all".
    masks: by source, then by outcome. slides: by outcome.
    """

    key: str
    salt: str
    index: IndexCounts
    series: Counts
    exams: Counts
    unreadable_descriptions: Counts
    planned: PlannedCounts
    size: dict[str, DownloadSize]
    masks: dict[str, Counts]
    slides: Counts
    boxes: BoxCounts

    def as_json(self) -> dict[str, Any]:
        """The contents of summary.json."""
        content = asdict(self)
        content["boxes"]["fates"] = content["boxes"].pop("outcomes")
        return content


def summarise(
    key: str,
    salt: str,
    plan: pd.DataFrame,
    classified: ClassifiedIndex,
    exam_reasons: pd.Series,
    with_boxes: Set[str],
) -> PlanSummary:
    """Count what a plan holds and what it leaves out.

    Args:
        exam_reasons: why each study is not planned, "" for the planned ones.
        with_boxes: the series that files of boxes name.
    """
    ct, slides = classified.ct, classified.slides
    outcomes = ct["reason"].where(ct["reason"].ne(""), USABLE).mask(ct["chosen"], OUT_OF_NARROWED)
    outcomes = outcomes.mask(ct["series_uid"].isin(plan.loc[plan["role"].eq(CT), "series_uid"]), PLANNED)
    unreadable = ct.loc[ct["reason"].eq(UNREADABLE), "description"].astype(object).fillna("(none)")
    years = ct.loc[ct["study_year"].notna(), ["participant", "study_year"]].drop_duplicates()
    planned_slides = int(plan["role"].eq(SLIDE).sum())
    return PlanSummary(
        key=key,
        salt=salt,
        index=IndexCounts(
            ct_series=len(ct),
            original_ct_series=len(ct[ct["analysis"].eq("")]),
            participants=int(ct["participant"].nunique()),
            studies=len(exam_reasons),
            participant_studies=len(ct[["participant", "study_uid"]].drop_duplicates()),
            participant_years=len(years),
        ),
        series=_counts(outcomes),
        exams=_counts(exam_reasons.replace("", PLANNED)),
        unreadable_descriptions=_most_frequent(_counts(unreadable)),
        planned=_planned_counts(plan),
        size={role: _size(plan[plan["role"].eq(role)]) for role in ROLES} | {"all": _size(plan)},
        masks={
            str(source): _mask_outcomes(of_source, classified, plan)
            for source, of_source in classified.masks.groupby(classified.masks["analysis"].astype(str))
        },
        slides={PLANNED: planned_slides, "of participants without a planned exam": len(slides) - planned_slides},
        boxes=BoxCounts(
            len(with_boxes),
            len(with_boxes) - int(ct["has_boxes"].sum()),
            _counts(outcomes[ct["has_boxes"]]),
        ),
    )


def _mask_outcomes(masks: pd.DataFrame, classified: ClassifiedIndex, plan: pd.DataFrame) -> Counts:
    """How many masks of one source are planned, and why the others are not; the counts add up to all of them."""
    links = classified.links[classified.links["mask_uid"].isin(masks["series_uid"])]
    usable = links["ct_uid"].isin(classified.ct.loc[classified.ct["reason"].eq(""), "series_uid"])
    outcomes = pd.Series("no CT series of that study and number", index=masks["series_uid"])
    outcomes[outcomes.index.isin(links["mask_uid"])] = "of a CT series that is not usable"
    outcomes[outcomes.index.isin(links.loc[usable, "mask_uid"])] = "of a usable CT series that is not planned"
    outcomes[outcomes.index.isin(plan["series_uid"])] = PLANNED
    return _counts(outcomes)


def _planned_counts(plan: pd.DataFrame) -> PlannedCounts:
    ct = plan[plan["role"].eq(CT)]
    return PlannedCounts(
        participants=int(ct["participant"].nunique()),
        exams=len(ct),
        by_year=_counts(ct["study_year"].map("T{}".format)),
        by_maker=_counts(ct["maker"]),
        by_kernel=_counts(ct["kernel"].replace("", "unknown")),
        by_thickness_mm=_counts(ct["thickness_mm"].map("{:g}".format)),
        with_lesion_mask=_exams_with(plan, LESION_MASK),
        with_lung_mask=_exams_with(plan, LUNG_MASK),
        with_boxes=int(ct["has_boxes"].astype(bool).sum()),
        with_lesion_mask_or_boxes=int(ct["annotated"].astype(bool).sum()),
        participants_with_slides=int(plan.loc[plan["role"].eq(SLIDE), "participant"].nunique()),
    )


def _exams_with(plan: pd.DataFrame, role: str) -> int:
    return int(plan.loc[plan["role"].eq(role), "study_uid"].nunique())


def _size(rows: pd.DataFrame) -> DownloadSize:
    gb = round(float(rows["size_mb"].sum()) / MB_OF_GB, 6)
    return DownloadSize(len(rows), int(rows["instances"].sum()), gb)


def _counts(values: pd.Series) -> Counts:
    """How often each value occurs, the most frequent first, equally frequent ones by name."""
    counts = values.astype(object).value_counts()
    return {str(name): int(n) for name, n in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))}


def _most_frequent(counts: Counts) -> Counts:
    """The first LISTED, and the others as one."""
    names = list(counts)
    rest = sum(counts[name] for name in names[LISTED:])
    return {name: counts[name] for name in names[:LISTED]} | ({"(others)": rest} if rest else {})
