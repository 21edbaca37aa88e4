"""A whole benchmark: what is measured, in what order, and what is left out."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lung_ssp.benchmark import measure, run
from lung_ssp.benchmark.cases import BenchmarkPlan, Case
from lung_ssp.benchmark.device import Memory
from lung_ssp.benchmark.measure import Request, in_fresh_process
from lung_ssp.benchmark.report import Repeat, as_json
from lung_ssp.benchmark.run import reason_to_skip, run_benchmark
from lung_ssp.benchmark.text import report_text
from lung_ssp.benchmark.timing import Times
from lung_ssp.cli import main
from lung_ssp.errors import CohortError, ConfigError, LungSspError
from lung_ssp.tasks import read_training

TWO_INPUTS = [
    "model.type=TwoInputClassifier",
    *(f"{split}_dataset.type=SectionAndSlideDataset" for split in ("train", "val", "test")),
]
RESULT = Repeat(Times([0.5, 0.25], [0.1, 0.1], 1.0), Memory(300.0), 2.0, 10, 3)


@pytest.fixture
def plan(small_configs: dict[str, Path]) -> BenchmarkPlan:
    return BenchmarkPlan(
        phase="training",
        config=small_configs["classification"],
        sharing=["single_task", "hard_sharing"],
        amp=["O0"],
        steps=2,
        warmup=1,
        repeats=2,
    )


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What was asked to be measured, in its order; each answers at once, but hard sharing the second time fails."""
    requests: list[Request] = []

    def answer(request: Request) -> Repeat:
        requests.append(request)
        if request.case.sharing == "hard_sharing" and requests.count(request) == 2:
            raise LungSspError("it was too hard")
        return RESULT

    monkeypatch.setattr(run, "in_fresh_process", answer)
    return requests


def test_the_repeats_of_all_cases_take_turns(plan: BenchmarkPlan, measured: list[Request]) -> None:
    report = run_benchmark(replace(plan, sharing=["single_task", "full_soft_sharing"]))
    assert [request.case.sharing for request in measured] == ["single_task", "full_soft_sharing"] * 2
    assert [request.tree["model"]["sharing"] for request in measured] == ["single_task", "full_soft_sharing"] * 2
    assert [len(one.repeats) for one in report.cases] == [2, 2]
    assert report.skipped == {} and report.settings["batch_size"] == 6
    assert report.environment["cores"] > 0
    json.loads(as_json(report), parse_constant=pytest.fail)


def test_a_case_that_fails_is_told_and_not_tried_again(plan: BenchmarkPlan, measured: list[Request]) -> None:
    report = run_benchmark(replace(plan, repeats=3))
    assert [request.case.sharing for request in measured] == [
        "single_task",
        "hard_sharing",
        "single_task",
        "hard_sharing",
        "single_task",
    ]
    assert [one.case.sharing for one in report.cases] == ["single_task"]
    name = "classification training hard_sharing O0 synthetic batch 6 paddle"
    assert report.skipped == {name: "it was too hard"}
    assert f"skipped: it was too hard\n  {name}" in report_text(report)


def test_mixed_precision_is_skipped_on_a_cpu(plan: BenchmarkPlan, measured: list[Request]) -> None:
    report = run_benchmark(replace(plan, sharing=["single_task"], amp=["O0", "O1", "O2"]))
    assert {request.case.amp for request in measured} == {"O0"}
    assert [name.split()[3] for name in report.skipped] == ["O1", "O2"]
    assert all("needs a GPU" in reason for reason in report.skipped.values())


@pytest.mark.parametrize(
    ("engine", "sharing", "overrides", "device", "reason"),
    [
        ("paddle", "hard_sharing", TWO_INPUTS, "cpu", "needs a trunk for each branch"),
        ("onnx", "single_task", TWO_INPUTS, "cpu", "two inputs cannot be exported"),
        ("onnx", "single_task", [], "gpu", "on a CPU"),
        ("paddle", "single_task", TWO_INPUTS, "cpu", ""),
    ],
)
def test_what_cannot_be_is_skipped_with_a_reason(
    plan: BenchmarkPlan, engine: Any, sharing: Any, overrides: list[str], device: str, reason: str
) -> None:
    case = Case("classification", "inference", sharing, "O0", "synthetic", 1, engine)
    found = reason_to_skip(case, replace(plan, overrides=overrides, device=device))
    assert reason in found and bool(found) == bool(reason)


def test_a_missing_package_is_named(plan: BenchmarkPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    case = Case("classification", "inference", "single_task", "O0", "synthetic", 1, "onnx")
    assert "paddle2onnx and onnxruntime" in reason_to_skip(case, plan)


def test_what_was_asked_for_must_be_there(
    plan: BenchmarkPlan, small_configs: dict[str, Path], measured: list[Request]
) -> None:
    with pytest.raises(CohortError, match="prepare one first"):
        run_benchmark(replace(plan, inputs=["real"]))
    with pytest.raises(ConfigError, match="expected classification or segmentation"):
        run_benchmark(replace(plan, config=Path(__file__).parents[2] / "configs" / "cohort" / "phantom.yml"))
    with pytest.raises(ConfigError, match="leave out --sharing"):
        run_benchmark(replace(plan, config=small_configs["segmentation"]))
    with pytest.raises(LungSspError, match=r"Nothing could be measured: .* needs a GPU"):
        run_benchmark(replace(plan, amp=["O1"]))
    assert measured == []


@pytest.mark.slow
def test_a_fault_in_the_process_of_its_own_comes_back_as_a_sentence(plan: BenchmarkPlan) -> None:
    case = Case("classification", "training", "single_task", "O0", "real", 6, "paddle")
    tree = read_training(plan.config, case.overrides())[1].tree
    with pytest.raises(LungSspError, match=r"^\S+nowhere\S* does not exist: prepare the cohort first"):
        in_fresh_process(Request(case, tree, "cpu", 1, 1))


@pytest.mark.parametrize(
    ("code", "told", "reason"),
    [
        (-9, "", r"its process was ended by SIGKILL \(out of memory\?\)"),
        (1, "Traceback\n  a line\nMemoryError: 9 GB asked for\n[Hint: a hint]\n", r"^MemoryError: 9 GB asked for$"),
        (2, "a warning\nThe sentence.\n", r"^The sentence\.$"),
        (1, "", "no reason given"),
    ],
)
def test_how_a_process_of_its_own_ended_is_told(
    plan: BenchmarkPlan, monkeypatch: pytest.MonkeyPatch, code: int, told: str, reason: str
) -> None:
    ended = subprocess.CompletedProcess([], code, stderr=told)
    monkeypatch.setattr(measure.subprocess, "run", lambda *_, **__: ended)
    case = Case("classification", "training", "single_task", "O0", "real", 6, "paddle")
    with pytest.raises(LungSspError, match=reason):
        in_fresh_process(Request(case, {}, "cpu", 1, 1))


@pytest.mark.slow
def test_the_command_measures_writes_and_compares(
    small_configs: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    words = ["benchmark", "training", "--config", str(small_configs["classification"]), "--json", str(path)]
    assert main([*words, "--steps", "3", "--warmup", "1", "--repeats", "1"]) == 0
    told = capfd.readouterr().out
    (case,) = json.loads(path.read_text())["cases"]
    assert case["case"]["sharing"] == "partial_soft_sharing"
    assert len(case["repeats"][0]["times"]["step_seconds"]) == 3
    assert f"{case['figures']['outcome']:.6f}" in told

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
