"""Trainings whose weights grow without bound end with one sentence, and leave only finite checkpoints."""

import json
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.errors import CheckpointError, TrainingError
from lung_ssp.files import sha256_of
from lung_ssp.runs import evaluate, export, train
from lung_ssp.tasks import read_run
from lung_ssp.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

SENTENCE = r"(is|are) (nan|inf|not finite) at step \d+: train again with a lower lr_scheduler\.learning_rate\."


def rate(value: float) -> list[str]:
    return [f"lr_scheduler.learning_rate={value}", f"lr_scheduler.end_lr={value}"]


def checkpoints(run: Path) -> list[dict[str, np.ndarray]]:
    folder = run / "checkpoints"
    return [load_checkpoint(folder, path.stem)[1] for path in folder.glob("*.json")]


@pytest.mark.parametrize("value", [1e8, 1e20, 1e38])
@pytest.mark.parametrize(
    ("task", "network"),
    [
        ("classification", "model.sharing=full_soft_sharing"),  # ReLU before the pooling
        ("classification", "model.sharing=partial_soft_sharing"),  # and after it
        ("segmentation", "model.width=2"),
    ],
)
def test_a_learning_rate_beyond_all_measure_stops_the_training(
    noise_configs: dict[str, Path], tmp_path: Path, task: str, network: str, value: float
) -> None:
    with pytest.raises(TrainingError, match=SENTENCE):
        train(noise_configs[task], tmp_path / "run", [*rate(value), network, *LONG[task]])
    found = checkpoints(tmp_path / "run")
    assert found
    assert all(np.isfinite(array).all() for arrays in found for array in arrays.values())


LONG = {"classification": ["epochs=200"], "segmentation": ["iters=200"]}


def spoil(run: Path, name: str) -> None:
    """Put NaN into the first weight of a checkpoint, with a hash that fits."""
    folder = run / "checkpoints"
    pointer = json.loads((folder / f"{name}.json").read_text())
    arrays_file = folder / pointer["arrays"]
    with np.load(arrays_file) as file:
        arrays = dict(file)
    key = next(key for key in arrays if key.startswith("network/"))
    arrays[key] = np.full_like(arrays[key], np.nan)
    np.savez(arrays_file, **arrays)
    (folder / f"{name}.json").write_text(json.dumps({**pointer, "sha256": sha256_of(arrays_file)}))


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_a_run_whose_weights_are_nan_is_neither_gone_on_with_nor_used(
    noise_configs: dict[str, Path], tmp_path: Path, task: str
) -> None:
    run = tmp_path / "run"
    train(noise_configs[task], run)
    spoil(run, "best")
    spoil(run, "latest")
    task_type, _ = read_run(run)
    for use in (evaluate, export, task_type.exportable):
        with pytest.raises(CheckpointError, match=r"checkpoints/best holds numbers that are not finite \(network/"):
            use(run)
    with pytest.raises(CheckpointError, match=r"checkpoints/latest holds numbers that are not finite \(network/"):
        train(noise_configs[task], run, resume=True)
