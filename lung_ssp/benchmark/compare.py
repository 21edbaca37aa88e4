"""Two reports side by side: the second one's figures by the first one's."""

from dataclasses import dataclass
from pathlib import Path

from lung_ssp.benchmark.report import BenchmarkReport, Figures, read_report
from lung_ssp.config import flatten

MEASURED = "environment.matrix_product_gflops"  # no condition: the machine's speed at that moment


@dataclass(frozen=True)
class Ratios:
    """A case's figures in the second report by those in the first."""

    images_per_second: float
    batch_cost: float
    memory: float


@dataclass(frozen=True)
class ReportComparison:
    """Two files, first and second.

    ratios: by the names of the cases that both hold.
    differences: the conditions that are not the same, by their dotted names, as they were in both.
    """

    first: Path
    second: Path
    ratios: dict[str, Ratios]
    only_in_first: list[str]
    only_in_second: list[str]
    differences: dict[str, tuple[float | str, float | str]]


def compare_reports(first: Path, second: Path) -> ReportComparison:
    """Compare the cases and the conditions of two reports.

    Raises:
        LungSspError: one of the files is no report.
    """
    reports = read_report(first), read_report(second)
    own, other = ({one.case.name: one.figures for one in report.cases} for report in reports)
    return ReportComparison(
        first,
        second,
        {name: ratios(own[name], other[name]) for name in own if name in other},
        [name for name in own if name not in other],
        [name for name in other if name not in own],
        differences(*reports),
    )


def ratios(first: Figures, second: Figures) -> Ratios:
    """The second figures by the first."""
    return Ratios(
        second.images_per_second / first.images_per_second,
        second.batch_cost / first.batch_cost,
        second.memory_mb.limiting / first.memory_mb.limiting,
    )


def differences(first: BenchmarkReport, second: BenchmarkReport) -> dict[str, tuple[float | str, float | str]]:
    """The conditions that are not the same in both, by their dotted names."""
    one, other = conditions(first), conditions(second)
    return {
        name: (one.get(name, "missing"), other.get(name, "missing"))
        for name in sorted(one.keys() | other.keys())
        if name != MEASURED and one.get(name) != other.get(name)
    }


def conditions(report: BenchmarkReport) -> dict[str, float | str]:
    """What the figures of a report depend on, by dotted names."""
    counts = {name: getattr(report.plan, name) for name in ("steps", "warmup", "repeats")}
    return flatten({**counts, "environment": report.environment, "settings": report.settings, "cohort": report.cohort})
