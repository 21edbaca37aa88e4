"""A whole benchmark: what is measured, in what order, and what is left out."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lung_ssp.benchmark import run
from lung_ssp.benchmark.cases import Case
from lung_ssp.benchmark.measure import Request
from lung_ssp.benchmark.run import Plan, in_fresh_process, reason_to_leave_out, run_benchmark
from lung_ssp.benchmark.table import report_text
from lung_ssp.cli import main
from lung_ssp.errors import CohortError, ConfigError, EnvironmentFault, LungSspError
from lung_ssp.tasks import read_training

TWO_INPUTS = [
    "model.type=TwoInputClassifier",
    *(f"{split}_dataset.type=SectionAndSlideDataset" for split in ("train", "val", "test")),
]
RESULT = {
    "step_seconds": [0.5, 0.25],
    "reader_seconds": [0.1, 0.1],
    "outcome": 1.0,
    "memory_mb": {"resident": 300.0},
    "counts": {"parameters": 10, "forward_flops": 1, "step_flops": 3, "step_bytes": 4},
    "matrix_product_gflops": 2.0,
}


@pytest.fixture
def plan(small_configs: dict[str, Path]) -> Plan:
    modes = ["single_task", "hard_sharing"]
    return Plan(
        phase="training",
        config=small_configs["classification"],
        overrides=[],
        device="cpu",
        sharing=modes,
        amp=["O0"],
        inputs=["synthetic"],
        torch=False,
        steps=2,
        warmup=1,
        repeats=2,
    )


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What was asked to be measured, in its order; each answers at once, but hard sharing the second time fails."""
    requests: list[Request] = []

    def answer(request: Request) -> dict[str, Any]:
        requests.append(request)
        if request.case.sharing == "hard_sharing" and requests.count(request) == 2:
            raise LungSspError("it was too hard")
        return RESULT

    monkeypatch.setattr(run, "in_fresh_process", answer)
    return requests


def test_the_repeats_of_all_cases_take_turns(plan: Plan, measured: list[Request]) -> None:
    report = run_benchmark(replace(plan, sharing=["single_task", "full_soft_sharing"]))
    assert [request.case.sharing for request in measured] == ["single_task", "full_soft_sharing"] * 2
    assert [request.tree["model"]["sharing"] for request in measured] == ["single_task", "full_soft_sharing"] * 2
    assert [len(case["repeats"]) for case in report["cases"]] == [2, 2]
    assert report["left_out"] == [] and report["seed"] == 0
    assert report["environment"]["cores"] > 0
    json.dumps(report, allow_nan=False)


def test_a_case_that_fails_is_told_and_not_tried_again(plan: Plan, measured: list[Request]) -> None:
    report = run_benchmark(replace(plan, repeats=3))
    assert [request.case.sharing for request in measured] == [
        "single_task",
        "hard_sharing",
        "single_task",
        "hard_sharing",
        "single_task",
    ]
    assert [case["sharing"] for case in report["cases"]] == ["single_task"]
    assert [(left["sharing"], left["reason"]) for left in report["left_out"]] == [("hard_sharing", "it was too hard")]
    assert "not measured: it was too hard\n  hard_sharing O0 synthetic batch 6 paddle" in report_text(report)


def test_mixed_precision_is_left_out_on_a_cpu(plan: Plan, measured: list[Request]) -> None:
    report = run_benchmark(replace(plan, sharing=["single_task"], amp=["O0", "O1", "O2"]))
    assert {request.case.amp for request in measured} == {"O0"}
    assert [left["amp"] for left in report["left_out"]] == ["O1", "O2"]
    assert all("needs a GPU" in left["reason"] for left in report["left_out"])


@pytest.mark.parametrize(
    ("engine", "sharing", "overrides", "device", "reason"),
    [
        ("paddle", "hard_sharing", TWO_INPUTS, "cpu", "needs a trunk for each branch"),
        ("onnx", "single_task", TWO_INPUTS, "cpu", "onnx has no network of two inputs"),
        ("onnx", "single_task", [], "gpu", "on a CPU"),
        ("paddle", "single_task", TWO_INPUTS, "cpu", ""),
    ],
)
def test_what_cannot_be_is_left_out_with_a_reason(
    plan: Plan, engine: Any, sharing: Any, overrides: list[str], device: str, reason: str
) -> None:
    case = Case("classification", "inference", sharing, "O0", "synthetic", 1, engine)
    found = reason_to_leave_out(case, replace(plan, overrides=overrides, device=device))
    assert reason in found and bool(found) == bool(reason)


def test_a_missing_package_is_named(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault, match="install the extra benchmark"):
        run_benchmark(replace(plan, torch=True))
    case = Case("classification", "inference", "single_task", "O0", "synthetic", 1, "onnx")
    assert "paddle2onnx and onnxruntime" in reason_to_leave_out(case, plan)


def test_what_was_asked_for_must_be_there(plan: Plan, small_configs: dict[str, Path], measured: list[Request]) -> None:
    with pytest.raises(CohortError, match="prepare one first"):
        run_benchmark(replace(plan, inputs=["real"]))
    with pytest.raises(ConfigError, match="has no network"):
        run_benchmark(replace(plan, config=Path(__file__).parents[2] / "configs" / "cohort" / "phantom.yml"))
    with pytest.raises(ConfigError, match="--sharing is of the classifier"):
        run_benchmark(replace(plan, config=small_configs["segmentation"]))
    with pytest.raises(LungSspError, match=r"Nothing could be measured: .* needs a GPU"):
        run_benchmark(replace(plan, amp=["O1"]))
    assert measured == []


def test_a_fault_in_the_process_of_its_own_comes_back_as_a_sentence(plan: Plan) -> None:
    case = Case("classification", "training", "single_task", "O0", "real", 6, "paddle")
    tree = read_training(plan.config, case.overrides())[1].tree
    with pytest.raises(LungSspError, match=r"^\S+nowhere\S* does not exist: prepare the cohort first"):
        in_fresh_process(Request(case, tree, "cpu", 1, 1))


@pytest.mark.parametrize(
    ("code", "told", "reason"),
    [
        (-9, "", r"its process was ended by SIGKILL \(is there enough memory\?\)"),
        (1, "Traceback\n  a line\nMemoryError: 9 GB asked for\n[Hint: a hint]\n", r"^MemoryError: 9 GB asked for$"),
        (2, "a warning\nThe sentence.\n", r"^The sentence\.$"),
        (1, "", "no reason told"),
    ],
)
def test_how_a_process_of_its_own_ended_is_told(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, code: int, told: str, reason: str
) -> None:
    ended = subprocess.CompletedProcess([], code, stderr=told)
    monkeypatch.setattr(run.subprocess, "run", lambda *_, **__: ended)
    case = Case("classification", "training", "single_task", "O0", "real", 6, "paddle")
    with pytest.raises(LungSspError, match=reason):
        in_fresh_process(Request(case, {}, "cpu", 1, 1))


def test_the_command_measures_writes_and_compares(
    small_configs: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    words = ["benchmark", "training", "--config", str(small_configs["classification"]), "--json", str(path)]
    assert main([*words, "--steps", "3", "--warmup", "1", "--repeats", "1"]) == 0
    told = capfd.readouterr().out
    (case,) = json.loads(path.read_text())["cases"]
    assert case["name"] == "classification training partial_soft_sharing O0 synthetic batch 6 paddle"
    assert len(case["repeats"][0]["step_seconds"]) == 3
    assert f"{case['outcome']:.6f}" in told

    assert main(["benchmark", "--compare", str(path), str(path)]) == 0
    told = capfd.readouterr().out
    assert told.count("1.000") == 3 and "warning" not in told and "only in" not in told


def test_another_file_is_not_overwritten(
    small_configs: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "letter.json"
    path.write_text('"dear"')
    config = str(small_configs["classification"])
    assert main(["benchmark", "training", "--config", config, "--json", str(path)]) == 2
    assert "is no benchmark's report" in capfd.readouterr().err
    assert path.read_text() == '"dear"'


def test_nothing_to_measure_is_a_fault(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark"]) == 2
    assert "Say what to measure" in capfd.readouterr().err
