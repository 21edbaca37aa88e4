"""What a plan holds and what it leaves out, every series and every exam accounted for."""

from typing import Any

import pandas as pd

from lung_ssp.cohort.nlst.plan_table import CT, LESION_MASK, LUNG_MASK, ROLES, SLIDE
from lung_ssp.cohort.nlst.selection import UNREADABLE
from lung_ssp.cohort.nlst.sizes import MB_OF_GB, size_text

PLANNED = "planned"
USABLE = "usable, but another one stands for the exam"
OUT_OF_NARROWED = "chosen, but its exam is not in the narrowed plan"
SHOWN = 20  # descriptions that cannot be parsed; their number is told in any case


def summarise(
    plan: pd.DataFrame,
    ct: pd.DataFrame,
    fates: pd.Series,
    masks: pd.DataFrame,
    links: pd.DataFrame,
    slides: pd.DataFrame,
    boxed: set[str],
) -> dict[str, Any]:
    """The numbers of a plan, as JSON has them.

    Args:
        plan: the rows planned.
        ct: every CT series of the index, judged (columns reason, chosen, annotated).
        fates: what becomes of each study, "" for planned.
        masks, links, slides: of the index (cohort/nlst/plan.py, Indexed).
        boxed: the series that files of boxes name.
    """
    planned = plan[plan["role"].eq(CT)]
    original = ct[ct["analysis"].eq("")]
    series_fates = ct["reason"].where(ct["reason"].ne(""), USABLE)
    series_fates = series_fates.mask(ct["chosen"], OUT_OF_NARROWED)
    series_fates = series_fates.mask(ct["series_uid"].isin(planned["series_uid"]), PLANNED)
    pairs = ct[["participant", "study_uid"]].drop_duplicates()
    years = ct[ct["study_year"].notna()][["participant", "study_year"]].drop_duplicates()
    unreadable = ct.loc[ct["reason"].eq(UNREADABLE), "description"].astype(object).fillna("(none)")
    return {
        "index": {
            "ct_series": len(ct),
            "original_ct_series": len(original),
            "participants": int(ct["participant"].nunique()),
            "studies": len(fates),
            "participant_studies": len(pairs),
            "participant_years": len(years),
        },
        "series": _counts(series_fates),
        "exams": _counts(fates.replace("", PLANNED)),
        "unreadable_descriptions": _first(_counts(unreadable)),
        "planned": {
            "participants": int(planned["participant"].nunique()),
            "exams": len(planned),
            "by_year": _counts(planned["study_year"].map("T{}".format)),
            "by_maker": _counts(planned["maker"]),
            "by_kernel": _counts(planned["kernel"].replace("", "unknown")),
            "by_thickness_mm": _counts(planned["thickness_mm"].map("{:g}".format)),
            "with_lesion_mask": _exams_with(plan, LESION_MASK),
            "with_lung_mask": _exams_with(plan, LUNG_MASK),
            "with_boxes": int(planned["has_boxes"].astype(bool).sum()),
            "with_lesion_mask_or_boxes": int(planned["annotated"].astype(bool).sum()),
            "participants_with_slides": int(plan.loc[plan["role"].eq(SLIDE), "participant"].nunique()),
        },
        "size": {role: _size(plan[plan["role"].eq(role)]) for role in ROLES} | {"all": _size(plan)},
        "masks": {
            str(source): _mask_fates(of_source, links, plan, ct)
            for source, of_source in masks.groupby(masks["analysis"].astype(str))
        },
        "slides": {
            PLANNED: int(plan["role"].eq(SLIDE).sum()),
            "of participants without a planned exam": len(slides) - int(plan["role"].eq(SLIDE).sum()),
        },
        "boxes": {
            "series_named": len(boxed),
            "not_in_index": len(boxed) - int(ct["boxed"].sum()),
            "fates": _counts(series_fates[ct["boxed"]]),
        },
    }


def summary_text(summary: dict[str, Any]) -> str:
    """The summary for people."""
    index, planned, size, boxes = (summary[part] for part in ("index", "planned", "size", "boxes"))
    repeated = index["participant_studies"] - index["participant_years"]
    shared = index["participant_studies"] - index["studies"]
    lines = [
        f"index: {index['ct_series']:,} CT series, {index['participants']:,} participants, {index['studies']:,} exams",
        f"  {index['ct_series'] - index['original_ct_series']:,} of the series are derived by an analysis",
        f"  {index['participant_years']:,} screening years of participants; exams that are a second one of the same "
        f"year: {repeated:,}, that belong to a second participant as well: {shared:,}",
        "",
        *_block("every CT series", summary["series"]),
        *_block("every exam", summary["exams"]),
        *_block("descriptions that cannot be parsed", summary["unreadable_descriptions"]),
        f"planned: {planned['exams']:,} exams of {planned['participants']:,} participants; with a lesion mask "
        f"{planned['with_lesion_mask']:,}, with boxes {planned['with_boxes']:,}, with either "
        f"{planned['with_lesion_mask_or_boxes']:,}, with a lung mask {planned['with_lung_mask']:,}; participants with "
        f"slides {planned['participants_with_slides']:,}",
        "",
        *_block("planned, by year", planned["by_year"]),
        *_block("planned, by maker", planned["by_maker"]),
        *_block("planned, by kernel", planned["by_kernel"]),
        *_block("planned, by thickness in mm", planned["by_thickness_mm"]),
    ]
    for source, fates in summary["masks"].items():
        lines += _block(f"masks of {source}", fates)
    lines += _block("slides", summary["slides"])
    lines += _block("series that files of boxes name", boxes["fates"] | {"not in the index": boxes["not_in_index"]})
    lines.append("to download:")
    for role, part in size.items():
        amount = size_text(part["gb"] * MB_OF_GB)
        lines.append(f"  {role:<14}{part['series']:>10,} series {part['files']:>12,} files {amount:>14}")
    return "\n".join(lines) + "\n"


def _counts(values: pd.Series) -> dict[str, int]:
    """How often each value occurs, most often first, equals by name."""
    counts = values.astype(object).value_counts()
    return {str(name): int(n) for name, n in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))}


def _first(counts: dict[str, int]) -> dict[str, int]:
    """The first SHOWN, and the rest as one."""
    names = list(counts)
    rest = sum(counts[name] for name in names[SHOWN:])
    return {name: counts[name] for name in names[:SHOWN]} | ({"(others)": rest} if rest else {})


def _exams_with(plan: pd.DataFrame, role: str) -> int:
    return int(plan.loc[plan["role"].eq(role), "study_uid"].nunique())


def _size(rows: pd.DataFrame) -> dict[str, float]:
    return {
        "series": len(rows),
        "files": int(rows["instances"].sum()),
        "gb": round(float(rows["size_mb"].sum()) / MB_OF_GB, 6),
    }


def _mask_fates(masks: pd.DataFrame, links: pd.DataFrame, plan: pd.DataFrame, ct: pd.DataFrame) -> dict[str, int]:
    """What becomes of the masks of one source; the counts add up to all of them."""
    links = links[links["mask_uid"].isin(masks["series_uid"])]
    usable = links["ct_uid"].isin(ct.loc[ct["reason"].eq(""), "series_uid"])
    fates = pd.Series("no CT series of that study and number", index=masks["series_uid"])
    fates[fates.index.isin(links["mask_uid"])] = "of a CT series that is not usable"
    fates[fates.index.isin(links.loc[usable, "mask_uid"])] = "of a usable CT series that is not planned"
    fates[fates.index.isin(plan["series_uid"])] = PLANNED
    return _counts(fates)


def _block(title: str, counts: dict[str, int]) -> list[str]:
    """A titled list of counts with their sum."""
    if not counts:
        return [f"{title}: none", ""]
    return [f"{title}: {sum(counts.values()):,}", *(f"  {n:>9,}  {name}" for name, n in counts.items()), ""]
