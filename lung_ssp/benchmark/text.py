"""The results of benchmarks as text for a terminal."""

from collections.abc import Sequence

from lung_ssp.benchmark.cases import PARTS, Case
from lung_ssp.benchmark.compare import ReportComparison
from lung_ssp.benchmark.report import BenchmarkReport, MeasuredCase

PLAIN = "single_task"  # the sharing mode that the others are compared with
PACKAGES = ("paddlepaddle", "paddlepaddle-gpu", "onnxruntime")
OUTCOME = {"training": "final loss", "inference": "mean output"}


def report_text(report: BenchmarkReport) -> str:
    """What was measured and on what, the speed and the cost of each case, and what was skipped and why."""
    cases, outcome = report.cases, OUTCOME[report.plan.phase]
    differing = [part for part in PARTS if len({getattr(one.case, part) for one in cases}) > 1]
    names = [one.case.describe(differing or ["engine"]) for one in cases]
    common = cases[0].case.describe([part for part in PARTS if part not in differing])
    blocks = [
        heading(report, common),
        aligned("speed", names, [speed(one, plain_beside(one, cases)) for one in cases]),
        aligned("cost", names, [cost(one, outcome) for one in cases]),
        skipped(report.skipped),
        [
            f"{one.case.name}: the {outcome} differs between the repeats, though the seed is the same."
            for one in cases
            if not one.figures.outcome_equal
        ],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def heading(report: BenchmarkReport, common: str) -> list[str]:
    """What the figures come from; `common` is what all cases share."""
    environment, plan = report.environment, report.plan
    device, packages = environment["device"], environment["packages"]
    versions = ", ".join(f"{name} {packages[name]}" for name in PACKAGES if name in packages)
    model = device.get("model", environment["processor"])
    return [
        f"{report.settings['task']} {plan.phase}, {common}: {plan.config}, seed {report.seed}",
        f"{device['name']} ({model}), {environment['cores']} cores, {versions}",
        f"commit {environment['commit'] or 'unknown'}",
        f"{plan.repeats} repeats in turns, each in a process of its own: {plan.steps} steps after {plan.warmup} "
        "untimed ones",
        *([f"real input: {report.cohort}"] if report.cohort else []),
    ]


def plain_beside(one: MeasuredCase, cases: Sequence[MeasuredCase]) -> MeasuredCase | None:
    """The same case without sharing, where it was measured."""

    def rest(case: Case) -> list[object]:
        return [getattr(case, part) for part in PARTS if part != "sharing"]

    same = [other for other in cases if other.case.sharing == PLAIN and rest(other.case) == rest(one.case)]
    return same[0] if same else None


def speed(one: MeasuredCase, plain: MeasuredCase | None) -> dict[str, str]:
    """The cells of a case in the first table."""
    figures = one.figures
    cells = {
        "images/s": f"{figures.images_per_second:.1f}",
        "p50": f"{figures.p50:.1f}",
        "p95": f"{figures.p95:.1f}",
        "spread": f"{figures.spread:.1%}",
        "batch ms": f"{1000 * figures.batch_cost:.2f}",
        "reader ms": f"{1000 * figures.reader_cost:.2f}",
        "reader": f"{figures.reader_share:.1%}",
    }
    if plain is not None:
        cells[f"x {PLAIN}"] = f"{figures.images_per_second / plain.figures.images_per_second:.3f}"
    return cells


def cost(one: MeasuredCase, outcome: str) -> dict[str, str]:
    """The cells of a case in the second table."""
    figures = one.figures
    cells = {"parameters": f"{figures.parameters:,}"}
    if figures.flops is not None:
        cells["GFLOP"] = f"{figures.flops / 1e9:.3f}"
        cells["GFLOP/s"] = f"{figures.flops / 1e9 / figures.batch_cost:.1f}"
        cells["of matmul"] = f"{figures.share_of_matrix_product:.1%}"
    memory = {name: megabytes for name, megabytes in vars(figures.memory_mb).items() if megabytes is not None}
    cells |= {f"{name} MB": f"{megabytes:.0f}" for name, megabytes in memory.items()}
    return {**cells, outcome: f"{figures.outcome:.6f}"}


def skipped(reasons: dict[str, str]) -> list[str]:
    """Each reason why cases were skipped, and below it their names."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return [line for reason, own in names.items() for line in (f"skipped: {reason}", *(f"  {name}" for name in own))]


def comparison_text(comparison: ReportComparison) -> str:
    """The ratios of all common cases, the cases that only one report holds, and the conditions that differ."""
    lines = [f"{comparison.second} by {comparison.first}"]
    rows = [
        {
            "images/s": f"{own.images_per_second:.3f}",
            "batch_cost": f"{own.batch_cost:.3f}",
            "memory": f"{own.memory:.3f}",
        }
        for own in comparison.ratios.values()
    ]
    lines += aligned("case", list(comparison.ratios), rows) if rows else ["no case is in both"]
    lines += [f"only in {comparison.first}: {name}" for name in comparison.only_in_first]
    lines += [f"only in {comparison.second}: {name}" for name in comparison.only_in_second]
    lines += [f"warning: {name} was {one} and is {other}" for name, (one, other) in comparison.differences.items()]
    return "\n".join(lines)


def aligned(title: str, names: Sequence[str], rows: Sequence[dict[str, str]]) -> list[str]:
    """A table: names on the left, cells to the right below their columns' headings."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[name, *(row.get(column, "") for column in columns)] for name, row in zip(names, rows, strict=True)]
    table = [[title, *columns], *cells]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(width) for c, width in zip(row[1:], widths[1:], strict=True))])
        for row in table
    ]
