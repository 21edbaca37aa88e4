"""Two reports side by side, and the tables, on reports written by hand."""

from pathlib import Path
from typing import Any

import pytest

from lung_ssp.benchmark.cases import Case
from lung_ssp.benchmark.compare import compare_reports
from lung_ssp.benchmark.reports import FORMAT, check_target, read_report, write_report
from lung_ssp.benchmark.table import aligned, report_text
from lung_ssp.errors import LungSspError
from lung_ssp.files import write_json


def case_with(sharing: Any, seconds: float, memory: dict[str, float], equal: bool = True) -> dict[str, Any]:
    case = Case("classification", "training", sharing, "O0", "synthetic", 10, "paddle")
    rate = 10 / seconds
    return {
        "name": case.name,
        **vars(case),
        "images_per_second": {"mean": rate, "p50": rate, "p95": rate / 2, "spread": 0.125},
        "batch_cost": seconds,
        "reader_cost": seconds / 4,
        "reader_share": 0.25,
        "memory_mb": memory,
        "counts": {"parameters": 1234567},
        "flops": 2_000_000_000,
        "share_of_matrix_product": 0.5,
        "outcome": 1.25,
        "outcome_equal": equal,
    }


def report_with(*cases: dict[str, Any], **changes: Any) -> dict[str, Any]:
    environment = {
        "packages": {"paddlepaddle": "2.6.2", "numpy": "1.26.4"},
        "commit": "abc",
        "processor": "Some",
        "cores": 2,
        "device": {"name": "cpu"},
        "matrix_product_gflops": 100.0,
    }
    return {
        "format": FORMAT,
        "task": "classification",
        "phase": "training",
        "config": "small.yml",
        "settings": {"seed": 0},
        "seed": 0,
        "cohort": None,
        "environment": environment,
        "repeats": 3,
        "steps": 20,
        "warmup": 5,
        "stretch": 1,
        "cases": list(cases),
        "left_out": [],
    } | changes


def test_the_ratios_are_the_second_by_the_first(tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    resident = {"resident": 400.0}
    write_report(first, report_with(case_with("single_task", 0.5, resident), case_with("hard_sharing", 1.0, resident)))
    faster = case_with("single_task", 0.25, {"resident": 500.0})
    other = {**report_with()["environment"], "matrix_product_gflops": 50.0, "cores": 8, "commit": "def"}
    write_report(second, report_with(faster, case_with("full_soft_sharing", 1.0, resident), environment=other))
    lines = compare_reports(first, second).splitlines()
    assert lines[0] == f"{second} by {first}"
    assert lines[1].split() == ["case", "images/s", "batch_cost", "memory"]
    assert lines[2].split()[-3:] == ["2.000", "0.500", "1.250"]
    assert lines[3:] == [
        f"only in {first}: classification training hard_sharing O0 synthetic batch 10 paddle",
        f"only in {second}: classification training full_soft_sharing O0 synthetic batch 10 paddle",
        "warning: environment.commit was abc and is def",
        "warning: environment.cores was 2 and is 8",
    ]


def test_the_memory_of_a_gpu_is_what_was_reserved(tmp_path: Path) -> None:
    for name, reserved in (("a", 1000.0), ("b", 3000.0)):
        memory = {"resident": 1.0, "allocated": 500.0, "reserved": reserved}
        write_report(tmp_path / f"{name}.json", report_with(case_with("single_task", 1.0, memory)))
    assert compare_reports(tmp_path / "a.json", tmp_path / "b.json").splitlines()[2].split()[-1] == "3.000"


def test_a_report_replaces_a_report_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for seed in (1, 2):
        write_report(path, report_with(seed=seed))
        assert read_report(path)["seed"] == seed
    write_json(path, {"format": "something else"})
    for refused in (check_target, read_report, lambda path: write_report(path, report_with())):
        with pytest.raises(LungSspError, match="is no benchmark's report"):
            refused(path)
    with pytest.raises(LungSspError, match="is no benchmark's report"):
        read_report(tmp_path / "nowhere.json")


def test_the_tables_tell_the_cases_apart_by_what_differs() -> None:
    memory = {"resident": 400.4}
    cases = [case_with("single_task", 0.5, memory), case_with("hard_sharing", 0.4, memory, equal=False)]
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
