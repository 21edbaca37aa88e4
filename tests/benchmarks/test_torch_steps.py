"""The steps in PyTorch come to the losses of the package's own."""

from pathlib import Path

import pytest

from lung_ssp.benchmark import steps
from lung_ssp.benchmark.cases import BenchmarkPlan
from lung_ssp.benchmark.measure import Request, write_config
from lung_ssp.benchmark.run import make_cases
from lung_ssp.benchmark.steps import build_subject
from lung_ssp.tasks import read_training

pytest.importorskip("torch", reason="the comparison with PyTorch needs PyTorch")

import torch_steps

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMALL = {
    "classification/table2.yml": [
        "batch_size=6",
        "model.image_size=16",
        "model.conv_channels=[2, 3]",
        "model.fully_connected=5",
        "model.keep_probability=1.0",
    ],
    "segmentation/improved_unet.yml": [
        "batch_size=2",
        "slices.spacing_mm=[10.0, 9.0, 9.0]",
        "train_dataset.patch_size=32",
        "model.width=2",
        "model.growth_rate=2",
        "model.dense_layers=2",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("config", SMALL)
def test_pytorch_comes_to_the_same_losses(config: str, tmp_path: Path) -> None:
    plan = BenchmarkPlan(phase="training", config=CONFIGS / config, overrides=SMALL[config])
    task_type, found = read_training(plan.config, plan.overrides)
    (case,) = make_cases(plan, found.settings, task_type.benchmark_cases(found.settings))
    path = write_config(Request(case, found.tree, "cpu", 0, 1), tmp_path)
    losses = []
    for training_step in (steps.training_step, torch_steps.training_step):
        subject = build_subject(path)
        step = training_step(subject)
        with steps.training_batches(case, subject) as coming:
            losses.append([float(step(next(coming))) for _ in range(5)])
    assert losses[0][0] != losses[0][4]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
