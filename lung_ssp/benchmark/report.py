"""A benchmark's results, and the JSON file of its report. Imports no Paddle."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter

from lung_ssp.benchmark.cases import BenchmarkPlan, Case
from lung_ssp.benchmark.device import Memory
from lung_ssp.benchmark.timing import Times
from lung_ssp.errors import DamagedFile, LungSspError
from lung_ssp.files import read_json, write_json


@dataclass(frozen=True)
class Repeat:
    """What one repeat measured.

    matrix_product_gflops: measured right after the steps in the same process.
    parameters: trainable ones.
    flops: of a step, forward alone or with the backward pass; None for a network of two inputs, whose operations depend
        on how many sections have a slide.
    """

    times: Times
    memory_mb: Memory
    matrix_product_gflops: float
    parameters: int
    flops: int | None


@dataclass(frozen=True)
class Figures:
    """What the repeats of a case come to.

    images_per_second: all images by all the time. p50, p95: what half and 95 % of the steps (on a GPU: intervals) reach
        at least. spread: the fastest repeat less the slowest, by the mean of the repeats.
    batch_cost, reader_cost: mean seconds of a step, and of its wait for the batch; reader_share: their quotient.
    memory_mb: of the repeat that used the most.
    share_of_matrix_product: flops a second by the rate of a large matrix product.
    outcome: final loss or mean output of the last repeat; outcome_equal: whether it was the same bits in each.
    """

    images_per_second: float
    p50: float
    p95: float
    spread: float
    batch_cost: float
    reader_cost: float
    reader_share: float
    memory_mb: Memory
    parameters: int
    flops: int | None
    share_of_matrix_product: float | None
    outcome: float
    outcome_equal: bool


@dataclass(frozen=True)
class MeasuredCase:
    """A case, its figures, and what each repeat measured."""

    case: Case
    figures: Figures
    repeats: list[Repeat]


@dataclass(frozen=True, kw_only=True)
class BenchmarkReport:
    """What was measured, on what, and what was skipped.

    settings: the resolved configuration.
    cohort: what the real input is; None where all input is synthetic.
    environment: versions, processor and device (runtime.environment).
    skipped: by the name of a case, why it could not be measured.
    """

    format: Literal["lung_ssp benchmark"] = "lung_ssp benchmark"
    plan: BenchmarkPlan
    settings: dict[str, Any]
    seed: int
    cohort: str | None
    environment: dict[str, Any]
    cases: list[MeasuredCase]
    skipped: dict[str, str]


def figures_of(case: Case, repeats: Sequence[Repeat]) -> Figures:
    """The figures of a case from its repeats, of which there is at least one."""
    steps = np.concatenate([repeat.times.step_seconds for repeat in repeats])
    batch_cost = float(steps.mean())
    reader_cost = float(np.concatenate([repeat.times.reader_seconds for repeat in repeats]).mean())
    rates = np.array([case.batch_size / np.mean(repeat.times.step_seconds) for repeat in repeats])
    outcomes = [repeat.times.outcome for repeat in repeats]
    gflops = float(np.mean([repeat.matrix_product_gflops for repeat in repeats]))
    flops = repeats[-1].flops
    return Figures(
        images_per_second=case.batch_size / batch_cost,
        p50=float(case.batch_size / np.percentile(steps, 50)),
        p95=float(case.batch_size / np.percentile(steps, 95)),
        spread=float(np.ptp(rates) / rates.mean()),
        batch_cost=batch_cost,
        reader_cost=reader_cost,
        reader_share=reader_cost / batch_cost,
        memory_mb=max((repeat.memory_mb for repeat in repeats), key=lambda memory: memory.limiting),
        parameters=repeats[-1].parameters,
        flops=flops,
        share_of_matrix_product=None if flops is None else flops / batch_cost / 1e9 / gflops,
        outcome=outcomes[-1],
        outcome_equal=len(set(outcomes)) == 1,
    )


def check_target(path: Path) -> None:
    """Make sure that a report may be written to `path`, before hours are spent on it.

    Raises:
        LungSspError: the file exists and is no report.
    """
    if path.exists():
        try:
            read_report(path)
        except LungSspError as error:
            raise LungSspError(f"{path} exists and is no benchmark's report: name another --json.") from error


def write_report(path: Path, report: BenchmarkReport) -> None:
    """Write a report, in place of an older one; raises as `check_target` does."""
    check_target(path)
    write_json(path, json.loads(as_json(report)))


def read_report(path: Path) -> BenchmarkReport:
    """Read a report.

    Raises:
        LungSspError: the file is missing or holds none.
    """
    try:
        report = TypeAdapter(BenchmarkReport).validate_python(read_json(path))
        if any(min(figures_that_divide(case.figures)) <= 0 for case in report.cases):
            raise ValueError("a speed or an amount of memory is not positive")
        return report
    except (OSError, DamagedFile, ValueError, RecursionError) as error:
        raise LungSspError(
            f"{path} is no benchmark's report: make one with lung-ssp benchmark training|inference --json {path}."
        ) from error


def figures_that_divide(figures: Figures) -> tuple[float, ...]:
    """What a comparison divides by, all of it positive in a report."""
    return figures.images_per_second, figures.batch_cost, figures.memory_mb.limiting


def as_json(result: object) -> str:
    """Any result of a benchmark, a dataclass, as indented JSON."""
    return TypeAdapter(type(result)).dump_json(result, indent=2).decode()
