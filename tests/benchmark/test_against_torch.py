"""The comparison with PyTorch: its ratios by hand, and that both sides learn alike."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lung_ssp.benchmark.against_torch import CODE, PADDLE, TORCH, TORCH_KEEPING, Turn, compare_with_torch, figures
from lung_ssp.errors import ConfigError

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMALL = ["model.image_size=16", "model.conv_channels=[2, 3]", "model.fully_connected=5", "batch_size=16"]


def test_ratios_are_taken_repeat_by_repeat_and_their_median_is_told() -> None:
    told = figures(
        {
            PADDLE: [Turn(10, 8), Turn(30, 8), Turn(12, 8)],
            TORCH: [Turn(20, 4), Turn(20, 8), Turn(20, 2)],
            TORCH_KEEPING: [Turn(10, 8), Turn(10, 8), Turn(10, 16)],
        }
    )
    assert told["ratios"] == [0.5, 1.5, 0.6]
    assert (told["ratio"], told["cpu_ratio"]) == (0.6, 2.0)
    assert (told["keeping_ratio"], told["keeping_cpu_ratio"]) == (1.2, 1.0)
    assert told["milliseconds"] == {PADDLE: 12, TORCH: 20, TORCH_KEEPING: 10}


def test_a_configuration_without_a_network_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no network"):
        compare_with_torch(CONFIGS / "cohort" / "phantom.yml", [], [], 1, 1)


@pytest.mark.parametrize(("side", "keeps"), [(TORCH, False), (TORCH_KEEPING, True)])
def test_pytorch_as_it_comes_has_its_memory_left_alone(side: str, keeps: bool) -> None:
    asking = CODE.splitlines()[:-2]
    asking += ["from lung_ssp import runtime", "print('mallopt' in runtime._set_here)"]
    # Dask sets such variables in a process that starts workers, as other tests do
    own = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", "\n".join(asking), side]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(keeps)


def test_both_sides_learn_alike() -> None:
    pytest.importorskip("torch", reason="the comparison with PyTorch needs PyTorch")
    config = CONFIGS / "classification" / "table2.yml"
    (told,) = compare_with_torch(config, SMALL, ["full_soft_sharing"], repeats=1, steps=1)
    assert told["case"] == "classification training full_soft_sharing O0 synthetic batch 16"
    assert 0 < told["loss_difference"] < 1e-4
    assert len(told["ratios"]) == 1
