"""A preparation's journal, which survives its interruption, and its report: neither holds an identifier."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from lung_ssp.cohort.nlst.results import PreparationFigures, SeriesResult
from lung_ssp.cohort.nlst.text import figures_text
from lung_ssp.files import write_json, write_text

JOURNAL = "journal.jsonl"


def record(out: Path, result: SeriesResult) -> None:
    """Add one result to the journal."""
    with (out / JOURNAL).open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps(asdict(result)))  # begins a line: a kill may have cut the one before


def read_journal(out: Path) -> dict[str, SeriesResult]:
    """The last result of each job by its name; a line that a kill has cut is ignored."""
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


def write_report(out: Path, results: Sequence[SeriesResult], figures: PreparationFigures, synthetic: bool) -> None:
    """Write report.json, report.txt and failed.csv (series by pseudonym, reason, message) into `out`."""
    failed = pd.DataFrame(
        [(r.series, r.reason, r.message) for r in results if r.status == "failed"],
        columns=["series", "reason", "message"],
    )
    write_json(out / "report.json", {"synthetic": synthetic, **figures.as_json()})
    write_text(out / "report.txt", figures_text(figures, synthetic) + "\n")
    write_text(out / "failed.csv", failed.to_csv(index=False))
