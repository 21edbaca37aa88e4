"""The comparison with PyTorch: its ratios by hand, and that both sides learn alike."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lung_ssp.benchmark.cases import BenchmarkPlan
from lung_ssp.errors import ConfigError, EnvironmentProblem
from torch_side import TORCH, TORCH_KEEPING
from torch_training import Ratios, Turn, compare_with_torch, ratios

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGS = REPOSITORY / "configs"
SMALL = ["model.image_size=16", "model.conv_channels=[2, 3]", "model.fully_connected=5", "batch_size=16"]


def training(config: str, *overrides: str, sharing: tuple[str, ...] = ()) -> BenchmarkPlan:
    return BenchmarkPlan(
        phase="training",
        config=CONFIGS / config,
        overrides=overrides,
        sharing=sharing,
        amp=["O0"],
        repeats=1,
        steps=1,
    )


def test_ratios_are_taken_repeat_by_repeat_and_their_median_is_told() -> None:
    paddle = [Turn(10, 8), Turn(30, 8), Turn(12, 8)]
    assert ratios(paddle, [Turn(20, 4), Turn(20, 8), Turn(20, 2)]) == Ratios(0.6, 2.0, [0.5, 1.5, 0.6])
    assert ratios(paddle, [Turn(10, 8), Turn(10, 8), Turn(10, 16)]) == Ratios(1.2, 1.0, [1.0, 3.0, 1.2])


def test_a_configuration_without_a_network_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected classification or segmentation"):
        compare_with_torch(training("cohort/phantom.yml"))


def test_a_missing_pytorch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"pip install .* benchmarks/requirements\.txt"):
        compare_with_torch(training("classification/table2.yml"))


@pytest.mark.parametrize(("side", "keeps"), [(TORCH, False), (TORCH_KEEPING, True)])
def test_pytorch_as_it_comes_has_its_memory_left_alone(side: str, keeps: bool) -> None:
    code = (
        f"from torch_side import leave_memory_alone; leave_memory_alone({side!r})\n"
        "from lung_ssp.runtime import set_here; print('mallopt' in set_here)"
    )
    # Dask sets such variables in a process that starts workers, as other tests do
    own = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    own["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY / "benchmarks"), str(REPOSITORY)])
    done = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(keeps)


@pytest.mark.slow
def test_both_sides_learn_alike() -> None:
    pytest.importorskip("torch", reason="the comparison with PyTorch needs PyTorch")
    (case,) = compare_with_torch(training("classification/table2.yml", *SMALL, sharing=("full_soft_sharing",))).cases
    assert case.case == "classification training full_soft_sharing O0 synthetic batch 16"
    assert 0 < case.loss_difference < 1e-4
    assert len(case.to_torch.wall_of_repeats) == 1


@pytest.mark.slow
def test_the_script_tells_a_fault_in_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, REPOSITORY / "benchmarks" / "torch_training.py", "--config", tmp_path / "none.yml"]
    own = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith(f"{tmp_path / 'none.yml'} does not exist")
