"""What the steps of NLST's preparation return: of one series, and of the whole preparation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lung_ssp.cohort.description import CohortDescription

HOUR = 3600.0


@dataclass(frozen=True)
class SeriesResult:
    """How one job ended.

    name: of the job. series: pseudonym. status: "done" or "failed".
    reason, message: of a failure its kind and a sentence without paths and UIDs; empty where there was none.
    samples: how many sections. unplaced: abnormalities of the tables for which no lesion was found.
    in_tables: whether the tables know the exam.
    seconds, megabytes: time and size of the series' files; 0 where they are not known.
    """

    name: str
    series: str
    status: str
    reason: str = ""
    message: str = ""
    samples: int = 0
    unplaced: int = 0
    in_tables: bool = True
    seconds: float = 0.0
    megabytes: float = 0.0


@dataclass(frozen=True)
class PreparationFigures:
    """The numbers of a preparation.

    series, done, samples: how many. failed: series by reason.
    abnormalities_without_place: of the tables, for which no lesion was found in the images.
    not_in_tables: series of exams that the tables do not know.
    workers: processes that the projection is for.
    seconds_per_series, megabytes_per_series: means of the series whose time is known.
    projected_hours, projected_megabytes_read: what the whole plan takes; all four None where no time is known.
    """

    series: int
    done: int
    samples: int
    abnormalities_without_place: int
    not_in_tables: int
    failed: dict[str, int]
    workers: int
    seconds_per_series: float | None = None
    megabytes_per_series: float | None = None
    projected_hours: float | None = None
    projected_megabytes_read: float | None = None

    @classmethod
    def of(cls, results: Sequence[SeriesResult], workers: int) -> "PreparationFigures":
        """The numbers of the results, one for each series of the plan."""
        done = [result for result in results if result.status == "done"]
        timed = [result for result in done if result.seconds > 0]
        times: dict[str, float] = {}
        if timed:
            seconds = sum(result.seconds for result in timed) / len(timed)
            megabytes = sum(result.megabytes for result in timed) / len(timed)
            times = {
                "seconds_per_series": round(seconds, 3),
                "megabytes_per_series": round(megabytes, 3),
                "projected_hours": round(seconds * len(results) / workers / HOUR, 3),
                "projected_megabytes_read": round(megabytes * len(results), 1),
            }
        return cls(
            series=len(results),
            done=len(done),
            samples=sum(result.samples for result in done),
            abnormalities_without_place=sum(result.unplaced for result in done),
            not_in_tables=sum(not result.in_tables for result in done),
            failed=dict(sorted(Counter(r.reason for r in results if r.status == "failed").items())),
            workers=workers,
            **times,
        )

    def as_json(self) -> dict[str, Any]:
        """The numbers that are known."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, eq=False)
class PreparationResult:
    """What a preparation made.

    root, cohort: the prepared cohort's folder and description. series: how each ended, in the plan's order.
    figures: these in numbers. samples: one row a sample, as `read_samples` gives them.
    classes: the names of each task's classes. oddities: how often each occurs in NLST's tables, zeros included.
    """

    root: Path
    cohort: CohortDescription
    series: list[SeriesResult]
    figures: PreparationFigures
    samples: pd.DataFrame
    classes: Mapping[str, tuple[str, ...]]
    oddities: Mapping[str, int]
