"""A benchmark's report to read: a row for each case in two tables, its speed and its cost, made for a terminal."""

from collections.abc import Sequence
from typing import Any

PARTS = ("sharing", "amp", "input", "batch_size", "engine")  # what tells the cases of one report from each other
PLAIN = "single_task"  # what the other ways of sharing are set beside
PACKAGES = ("paddlepaddle", "paddlepaddle-gpu", "torch", "onnxruntime")
OUTCOME = {"training": "final loss", "inference": "mean output"}


def report_text(report: dict[str, Any]) -> str:
    """What was measured and on what, the speed and the cost of each case, and what was left out and why."""
    cases, outcome = report["cases"], OUTCOME[report["phase"]]
    differing = [part for part in PARTS if len({case[part] for case in cases}) > 1]
    names = [describe(case, differing or ["engine"]) for case in cases]
    common = describe(cases[0], [part for part in PARTS if part not in differing])
    blocks = [
        heading(report, common),
        aligned("speed", names, [speed(case, plain_beside(case, cases)) for case in cases]),
        aligned("cost", names, [cost(case, outcome) for case in cases]),
        left_out(report["left_out"]),
        [
            f"{case['name']}: the {outcome} differs between the repeats, though the seed is the same."
            for case in cases
            if not case["outcome_equal"]
        ],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def describe(case: dict[str, Any], parts: Sequence[str]) -> str:
    """Some parts of a case in words."""
    words = {part: f"batch {case[part]}" if part == "batch_size" else case[part] for part in parts}
    return " ".join(word for word in words.values() if word)


def heading(report: dict[str, Any], common: str) -> list[str]:
    """What the figures come from; `common` is what all cases share."""
    environment = report["environment"]
    device, packages = environment["device"], environment["packages"]
    versions = ", ".join(f"{name} {packages[name]}" for name in PACKAGES if name in packages)
    return [
        f"{report['task']} {report['phase']}, {common}: {report['config']}, seed {report['seed']}",
        f"{device['name']} ({device.get('model', environment['processor'])}), {environment['cores']} cores, {versions}",
        f"commit {environment['commit'] or 'unknown'}",
        f"each case in turn, in a process of its own, {report['repeats']} times: {report['steps']} steps after "
        f"{report['warmup']} untimed ones",
        *([f"real input: {report['cohort']}"] if report["cohort"] else []),
    ]


def plain_beside(case: dict[str, Any], cases: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The same case without sharing, where it was measured and the case is another."""
    others = [part for part in PARTS if part != "sharing"]
    same = [one for one in cases if one["sharing"] == PLAIN and all(one[part] == case[part] for part in others)]
    return same[0] if same else None


def speed(case: dict[str, Any], plain: dict[str, Any] | None) -> dict[str, str]:
    """The cells of a case in the first table."""
    images = case["images_per_second"]
    cells = {
        "images/s": f"{images['mean']:.1f}",
        "p50": f"{images['p50']:.1f}",
        "p95": f"{images['p95']:.1f}",
        "spread": f"{images['spread']:.1%}",
        "batch ms": f"{1000 * case['batch_cost']:.2f}",
        "reader ms": f"{1000 * case['reader_cost']:.2f}",
        "reader": f"{case['reader_share']:.1%}",
    }
    if plain is not None:
        cells[f"x {PLAIN}"] = f"{images['mean'] / plain['images_per_second']['mean']:.3f}"
    return cells


def cost(case: dict[str, Any], outcome: str) -> dict[str, str]:
    """The cells of a case in the second table."""
    cells = {"parameters": f"{case['counts']['parameters']:,}"}
    if case["flops"] is not None:
        cells["GFLOP"] = f"{case['flops'] / 1e9:.3f}"
        cells["GFLOP/s"] = f"{case['flops'] / 1e9 / case['batch_cost']:.1f}"
        cells["of matmul"] = f"{case['share_of_matrix_product']:.1%}"
    cells |= {f"{name} MB": f"{megabytes:.0f}" for name, megabytes in case["memory_mb"].items()}
    return {**cells, outcome: f"{case['outcome']:.6f}"}


def left_out(cases: Sequence[dict[str, Any]]) -> list[str]:
    """Each reason why something was not measured, above what it holds for."""
    names: dict[str, list[str]] = {}
    for case in cases:
        names.setdefault(case["reason"], []).append(describe(case, PARTS))
    return [
        line for reason, own in names.items() for line in (f"not measured: {reason}", *(f"  {name}" for name in own))
    ]


def aligned(title: str, names: Sequence[str], rows: Sequence[dict[str, str]]) -> list[str]:
    """Rows with their names on the left and their cells below the columns' headings, to the right."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    texts = [
        [title, *columns],
        *([name, *(row.get(c, "") for c in columns)] for name, row in zip(names, rows, strict=True)),
    ]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return [
        "  ".join(
            [text[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(text[1:], widths[1:], strict=True))]
        )
        for text in texts
    ]
