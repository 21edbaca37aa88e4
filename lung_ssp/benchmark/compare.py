"""Two reports beside each other: how many times the first's figures the second's are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lung_ssp.benchmark.reports import read_report
from lung_ssp.benchmark.table import aligned
from lung_ssp.config import flat

RATIOS: dict[str, Callable[[dict[str, Any]], float]] = {
    "images/s": lambda case: case["images_per_second"]["mean"],
    "batch_cost": lambda case: case["batch_cost"],
    # what a device runs out of: on a GPU what was taken from it, on a CPU what the process occupied
    "memory": lambda case: case["memory_mb"].get("reserved", case["memory_mb"]["resident"]),
}
CONDITIONS = ("environment", "settings", "cohort", "steps", "warmup", "repeats", "stretch")
MEASURED = "environment.matrix_product_gflops"  # no condition: the machine's speed at that moment


def compare_reports(first: Path, second: Path) -> str:
    """The ratios of all cases that both files hold, the cases that one alone holds, and the conditions that differ.

    Raises:
        LungSspError: one of them is no benchmark's report.
    """
    reports = [read_report(path) for path in (first, second)]
    cases = [{case["name"]: case for case in report["cases"]} for report in reports]
    both = [name for name in cases[0] if name in cases[1]]
    rows = [{what: f"{of(cases[1][name]) / of(cases[0][name]):.3f}" for what, of in RATIOS.items()} for name in both]
    lines = [f"{second} by {first}"]
    lines += aligned("case", both, rows) if both else ["no case is in both"]
    for path, own, other in ((first, cases[0], cases[1]), (second, cases[1], cases[0])):
        lines += [f"only in {path}: {name}" for name in own if name not in other]
    return "\n".join([*lines, *differences(*reports)])


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """A warning for each condition that is not the same in both."""
    one, other = (flat({name: report[name] for name in CONDITIONS}) for report in (first, second))
    return [
        f"warning: {name} was {one.get(name, 'not there')} and is {other.get(name, 'not there')}"
        for name in sorted(one.keys() | other.keys())
        if name != MEASURED and one.get(name) != other.get(name)
    ]
