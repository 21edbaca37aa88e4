"""What a preparation did: a journal that survives it, and a report for people, without identifiers."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from lung_ssp.cohort.nlst.series_samples import SeriesResult
from lung_ssp.cohort.nlst.sizes import size_text
from lung_ssp.files import write_json, write_text

JOURNAL = "journal.jsonl"
HOUR = 3600.0


def note(out: Path, result: SeriesResult) -> None:
    """Add one result to the journal."""
    with (out / JOURNAL).open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps(asdict(result)))  # a line that a kill left unfinished stays by itself


def read_journal(out: Path) -> dict[str, SeriesResult]:
    """The last result of each job by its name; a line that a kill left unfinished is passed over."""
    results: dict[str, SeriesResult] = {}
    path = out / JOURNAL
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                result = SeriesResult(**json.loads(line))
            except (ValueError, TypeError):
                continue
            results[result.name] = result
    return results


def describe(results: Sequence[SeriesResult], workers: int) -> dict[str, Any]:
    """The figures of a preparation.

    Args:
        results: one for each series of the plan.
        workers: processes for the projection.

    Returns:
        series, done, samples; failed by reason; seconds and MB of the series whose time is known, their means; and what
        the whole plan takes with so many workers.
    """
    done = [result for result in results if result.status == "done"]
    timed = [result for result in done if result.seconds > 0]
    figures: dict[str, Any] = {
        "series": len(results),
        "done": len(done),
        "samples": sum(result.samples for result in done),
        "abnormalities_without_place": sum(result.unplaced for result in done),
        "not_in_tables": sum(not result.in_tables for result in done),
        "failed": dict(sorted(Counter(r.reason for r in results if r.status == "failed").items())),
        "workers": workers,
    }
    if timed:
        seconds = sum(result.seconds for result in timed) / len(timed)
        megabytes = sum(result.megabytes for result in timed) / len(timed)
        figures["seconds_per_series"] = round(seconds, 3)
        figures["megabytes_per_series"] = round(megabytes, 3)
        figures["projected_hours"] = round(seconds * len(results) / workers / HOUR, 3)
        figures["projected_megabytes_read"] = round(megabytes * len(results), 1)
    return figures


def report_text(figures: dict[str, Any]) -> str:
    """The figures to read."""
    lines = [
        f"series   {figures['series']}: {figures['done']} done, {figures['series'] - figures['done']} failed",
        *(f"  failed, {reason}: {count}" for reason, count in figures["failed"].items()),
        f"samples  {figures['samples']}",
        f"  abnormalities in the tables for which no lesion was found: {figures['abnormalities_without_place']}",
        f"  series of exams that the tables do not know: {figures['not_in_tables']}",
    ]
    if "seconds_per_series" in figures:
        lines += [
            f"per series  {figures['seconds_per_series']:.2f} s, {figures['megabytes_per_series']:.1f} MB",
            f"the plan's {figures['series']} series with {figures['workers']} workers: "
            f"{figures['projected_hours']:.2f} hours, {size_text(figures['projected_megabytes_read'])} read",
        ]
    return "\n".join(lines)


def write_report(out: Path, results: Sequence[SeriesResult], workers: int, synthetic: bool) -> str:
    """Write report.json, report.txt and failed.csv (series by pseudonym, reason, sentence) into `out`; the text."""
    figures = {"synthetic": synthetic, **describe(results, workers)}
    text = ("SYNTHETIC series, no patients\n" if synthetic else "") + report_text(figures)
    failed = pd.DataFrame(
        [(r.series, r.reason, r.message) for r in results if r.status == "failed"],
        columns=["series", "reason", "message"],
    )
    write_json(out / "report.json", figures)
    write_text(out / "report.txt", text + "\n")
    write_text(out / "failed.csv", failed.to_csv(index=False))
    return text
