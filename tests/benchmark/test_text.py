"""Two reports side by side, and the tables, on reports written by hand."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lung_ssp.benchmark.cases import BenchmarkPlan, Case
from lung_ssp.benchmark.compare import compare_reports
from lung_ssp.benchmark.device import Memory
from lung_ssp.benchmark.report import BenchmarkReport, Figures, MeasuredCase, check_target, read_report, write_report
from lung_ssp.benchmark.text import aligned, comparison_text, report_text
from lung_ssp.errors import LungSspError
from lung_ssp.files import write_json

RESIDENT = Memory(400.4)


def case_with(sharing: str, seconds: float, memory: Memory = RESIDENT, equal: bool = True) -> MeasuredCase:
    rate = 10 / seconds
    figures = Figures(
        images_per_second=rate,
        p50=rate,
        p95=rate / 2,
        spread=0.125,
        batch_cost=seconds,
        reader_cost=seconds / 4,
        reader_share=0.25,
        memory_mb=memory,
        parameters=1234567,
        flops=2_000_000_000,
        share_of_matrix_product=0.5,
        outcome=1.25,
        outcome_equal=equal,
    )
    return MeasuredCase(Case("classification", "training", sharing, "O0", "synthetic", 10, "paddle"), figures, [])


def report_with(*cases: MeasuredCase, seed: int = 0, **environment: Any) -> BenchmarkReport:
    return BenchmarkReport(
        plan=BenchmarkPlan(
            phase="training", config="small.yml", overrides=[], sharing=[], amp=[], inputs=["synthetic"]
        ),
        settings={"task": "classification"},
        seed=seed,
        cohort=None,
        environment={
            "packages": {"paddlepaddle": "2.6.2", "numpy": "1.26.4"},
            "commit": "abc",
            "processor": "Some",
            "cores": 2,
            "device": {"name": "cpu"},
            "matrix_product_gflops": 100.0,
            **environment,
        },
        cases=list(cases),
        skipped={},
    )


def test_the_ratios_are_the_second_by_the_first(tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    write_report(first, report_with(case_with("single_task", 0.5, Memory(400.0)), case_with("hard_sharing", 1.0)))
    faster = case_with("single_task", 0.25, Memory(500.0))
    other = report_with(
        faster, case_with("full_soft_sharing", 1.0), matrix_product_gflops=50.0, cores=8, commit="def", cuda="11.8"
    )
    write_report(second, replace(other, plan=replace(other.plan, repeats=5)))
    compared = compare_reports(first, second)
    assert compared.differences == {
        "environment.commit": ("abc", "def"),
        "environment.cores": (2, 8),
        "environment.cuda": ("missing", "11.8"),
        "repeats": (3, 5),
    }
    lines = comparison_text(compared).splitlines()
    assert lines[0] == f"{second} by {first}"
    assert lines[1].split() == ["case", "images/s", "batch_cost", "memory"]
    assert lines[2].split()[-3:] == ["2.000", "0.500", "1.250"]
    assert lines[3:6] == [
        f"only in {first}: classification training hard_sharing O0 synthetic batch 10 paddle",
        f"only in {second}: classification training full_soft_sharing O0 synthetic batch 10 paddle",
        "warning: environment.commit was abc and is def",
    ]


def test_the_memory_of_a_gpu_is_what_was_reserved(tmp_path: Path) -> None:
    for name, reserved in (("a", 1000.0), ("b", 3000.0)):
        write_report(
            tmp_path / f"{name}.json", report_with(case_with("single_task", 1.0, Memory(1.0, 500.0, reserved)))
        )
    (ratios,) = compare_reports(tmp_path / "a.json", tmp_path / "b.json").ratios.values()
    assert ratios.memory == 3.0


def test_a_report_replaces_a_report_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for seed in (1, 2):
        report = report_with(case_with("single_task", 0.1), seed=seed)
        write_report(path, report)
        assert read_report(path) == report
    write_json(path, {"format": "something else"})
    for refused in (check_target, read_report, lambda path: write_report(path, report_with())):
        with pytest.raises(LungSspError, match="is no benchmark's report"):
            refused(path)
    with pytest.raises(LungSspError, match="is no benchmark's report"):
        read_report(tmp_path / "nowhere.json")


def test_the_tables_tell_the_cases_apart_by_what_differs() -> None:
    cases = [case_with("single_task", 0.5), case_with("hard_sharing", 0.4, equal=False)]
    text = report_text(report_with(*cases))
    lines = text.splitlines()
    assert lines[0] == "classification training, O0 synthetic batch 10 paddle: small.yml, seed 0"
    speed = [line.split() for line in lines if line.startswith(("single_task ", "hard_sharing "))]
    assert speed == [
        ["single_task", "20.0", "20.0", "10.0", "12.5%", "500.00", "125.00", "25.0%", "1.000"],
        ["hard_sharing", "25.0", "25.0", "12.5", "12.5%", "400.00", "100.00", "25.0%", "1.250"],
        ["single_task", "1,234,567", "2.000", "4.0", "50.0%", "400", "1.250000"],
        ["hard_sharing", "1,234,567", "2.000", "5.0", "50.0%", "400", "1.250000"],
    ]
    assert lines[-1] == (
        "classification training hard_sharing O0 synthetic batch 10 paddle: the final loss differs between the "
        "repeats, though the seed is the same."
    )


def test_columns_are_aligned_and_a_missing_cell_is_left_open() -> None:
    assert aligned("what", ["a", "longer"], [{"x": "1", "many": "2"}, {"many": "10"}]) == [
        "what    x  many",
        "a       1     2",
        "longer       10",
    ]


def test_reports_are_read_and_compared_without_paddle() -> None:
    code = "import sys, lung_ssp.benchmark.compare, lung_ssp.benchmark.text; print('paddle' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
