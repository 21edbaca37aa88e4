"""The results of a preparation as text, most of it NLST's: what is printed, and the text files beside the numbers."""

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.idc.amounts import MB_OF_GB, size_text
from lung_ssp.cohort.nlst.plan_summary import PlanSummary
from lung_ssp.cohort.nlst.results import PreparationFigures, PreparationResult


def plan_text(summary: PlanSummary) -> str:
    """What a plan holds and what it leaves out."""
    index, planned, boxes = summary.index, summary.planned, summary.boxes
    repeated = index.participant_studies - index.participant_years
    shared = index.participant_studies - index.studies
    lines = [
        f"index: {index.ct_series:,} CT series, {index.participants:,} participants, {index.studies:,} exams",
        f"  {index.ct_series - index.original_ct_series:,} of the series are derived by an analysis",
        f"  {index.participant_years:,} screening years of participants; exams that are a second one of the same "
        f"year: {repeated:,}, that belong to a second participant as well: {shared:,}",
        "",
        *_block("every CT series", summary.series),
        *_block("every exam", summary.exams),
        *_block("descriptions that cannot be parsed", summary.unreadable_descriptions),
        f"planned: {planned.exams:,} exams of {planned.participants:,} participants; with a lesion mask "
        f"{planned.with_lesion_mask:,}, with boxes {planned.with_boxes:,}, with either "
        f"{planned.with_lesion_mask_or_boxes:,}, with a lung mask {planned.with_lung_mask:,}; participants with "
        f"slides {planned.participants_with_slides:,}",
        "",
        *_block("planned, by year", planned.by_year),
        *_block("planned, by maker", planned.by_maker),
        *_block("planned, by kernel", planned.by_kernel),
        *_block("planned, by thickness in mm", planned.by_thickness_mm),
    ]
    for source, outcomes in summary.masks.items():
        lines += _block(f"masks of {source}", outcomes)
    lines += _block("slides", summary.slides)
    lines += _block("series that files of boxes name", boxes.outcomes | {"not in the index": boxes.not_in_index})
    lines.append("to download:")
    for role, size in summary.size.items():
        amount = size_text(size.gb * MB_OF_GB)
        lines.append(f"  {role:<14}{size.series:>10,} series {size.files:>12,} files {amount:>14}")
    return "\n".join(lines) + "\n"


def preparation_text(result: PreparationResult) -> str:
    """What a preparation made: oddities of the tables, series, samples, and the cohort's statement."""
    return "\n\n".join(
        [
            oddities_text(result.oddities),
            figures_text(result.figures, result.cohort.synthetic),
            samples_text(result.samples, result.classes),
            f"{result.root}: {result.cohort.statement}",
        ]
    )


def samples_text(samples: pd.DataFrame, classes: Mapping[str, Sequence[str]]) -> str:
    """Counts of samples by position, and of each task by class and source, without the abnormalities' numbers."""
    parts = [f"{len(samples)} samples", _counted("position", samples["position_source"].map(source_kind), None)]
    for task, names in classes.items():
        named = {MISSING: "(no label)", **{label: f"{label} {name}" for label, name in enumerate(names)}}
        sources = samples[f"{task}_source"].map(source_kind)
        parts.append(_counted(f"{task} label", samples[f"{task}_label"].map(named), sources))
    return "\n\n".join(parts)


def source_kind(source: str) -> str:
    """A source without the number of the abnormality or cancer: "nlst_ctab 51 #2" is of the kind "nlst_ctab 51"."""
    return re.sub(r" #\d+", "", source)


def oddities_text(oddities: Mapping[str, int]) -> str:
    """What is odd in the tables, counted."""
    lines = [f"  {oddity}: {count}" for oddity, count in oddities.items() if count]
    return "\n".join(["tables" if lines else "tables   nothing odd", *lines])


def figures_text(figures: PreparationFigures, synthetic: bool) -> str:
    """The numbers of NLST's preparation, marked where the series are synthetic."""
    own = [
        f"  abnormalities in the tables for which no lesion was found: {figures.abnormalities_without_place}",
        f"  series of exams that the tables do not know: {figures.not_in_tables}",
    ]
    return series_text(figures, own, synthetic)


def series_text(figures: PreparationFigures, own: Sequence[str], synthetic: bool) -> str:
    """The numbers of a preparation from any collection, marked where the series are synthetic.

    Args:
        own: the lines that only this collection has.
    """
    lines = ["SYNTHETIC series, no patients"] if synthetic else []
    lines += [
        f"series   {figures.series}: {figures.done} done, {figures.series - figures.done} failed",
        *(f"  failed, {reason}: {count}" for reason, count in figures.failed.items()),
        f"samples  {figures.samples}",
        *own,
    ]
    if figures.seconds_per_series is not None:
        lines += [
            f"per series  {figures.seconds_per_series:.2f} s, {figures.megabytes_per_series:.1f} MB",
            f"the plan's {figures.series} series with {figures.workers} workers: {figures.projected_hours:.2f} hours, "
            f"{size_text(figures.projected_megabytes_read or 0.0)} read",
        ]
    return "\n".join(lines)


def _block(title: str, counts: Mapping[str, int]) -> list[str]:
    """A titled list of counts with their sum."""
    if not counts:
        return [f"{title}: none", ""]
    return [f"{title}: {sum(counts.values()):,}", *(f"  {n:>9,}  {name}" for name, n in counts.items()), ""]


def _counted(title: str, values: pd.Series, sources: pd.Series | None) -> str:
    """Rows "value, source, count" in the order of the values, the most frequent source first."""
    table = pd.DataFrame({title: values, "source": "" if sources is None else sources})
    counts = table.value_counts().rename("samples").reset_index()
    counts = counts.sort_values([title, "samples", "source"], ascending=[True, False, True])
    if sources is None:
        counts = counts.drop(columns="source")
    texts = [list(counts.columns), *counts.astype(str).to_numpy().tolist()]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    return "\n".join(
        "  ".join(
            [*(text.ljust(width) for text, width in zip(row[:-1], widths, strict=False)), row[-1].rjust(widths[-1])]
        )
        for row in texts
    )
