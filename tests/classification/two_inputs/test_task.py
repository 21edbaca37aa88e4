"""Training with slides of some patients: the losses, the steps, and what is measured."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
import pytest

from lung_ssp.classification.build import build_classification
from lung_ssp.classification.prediction import predict_logits
from lung_ssp.classification.settings import ClassificationSettings, TwoTaskLossSettings
from lung_ssp.classification.task import masked_cross_entropy, two_task_losses
from lung_ssp.classification.two_inputs.task import TwoInputTask, pathology_with_slide
from lung_ssp.config import Config
from lung_ssp.training.checkpoint import load_checkpoint
from lung_ssp.training.loop import train
from lung_ssp.training.settings import CheckpointSettings, LogSettings

SettingsMaker = Callable[..., ClassificationSettings]


def mixed(two_inputs: SettingsMaker) -> TwoInputTask:
    return TwoInputTask(two_inputs(alphas={"initial": [[0.9, 0.1], [0.1, 0.9]]}))


def test_the_pathology_is_learnt_where_there_is_a_slide() -> None:
    nan = float("nan")
    logits = {"image": paddle.zeros([3, 2]), "pathology": paddle.to_tensor([[nan, nan], [0.0, 0.0], [nan, nan]])}
    labels = {"image": np.array([0, 1, 0]), "pathology": np.array([-1, 1, -1])}
    seen, of_seen = pathology_with_slide(logits, labels, np.array([False, True, False]))
    losses = two_task_losses(seen, of_seen, [paddle.zeros([1])], TwoTaskLossSettings())
    assert float(losses["total"]) == pytest.approx(2 * math.log(2), abs=1e-6)
    seen, of_seen = pathology_with_slide(logits, labels, np.zeros(3, bool))
    assert float(masked_cross_entropy(seen["pathology"], paddle.to_tensor(of_seen["pathology"]))) == 0.0


@pytest.mark.parametrize("granularity", ["layer", "channel", "dense"])
def test_a_step_works_with_many_slides_and_with_none(two_inputs: SettingsMaker, granularity: str) -> None:
    alphas = {"granularity": granularity, "initial": [[0.9, 0.1], [0.1, 0.9]]}
    training = build_classification(Config(two_inputs(alphas=alphas), {}))
    task, optimizer = training.task, training.optimizer
    batch = task.training.batch(np.arange(20), np.random.default_rng(0))
    assert batch.has_slide.sum() >= 3
    for one in (batch.without_slides(), batch, batch.without_slides()):
        task.network.train()
        losses = task.losses(one)
        losses["total"].backward()
        optimizer.step()
        optimizer.clear_grad()
        assert np.isfinite(float(losses["total"]))
        assert (float(losses["pathology"]) == 0.0) == (not one.has_slide.any())
    assert all(np.isfinite(value.numpy()).all() for value in task.network.state_dict().values())


def test_a_single_slide_in_a_batch_is_left_out(two_inputs: SettingsMaker) -> None:
    task = mixed(two_inputs)
    with_slide = np.flatnonzero(task.training.has_slide)
    without = np.flatnonzero(~task.training.has_slide)[:5]
    rng = np.random.default_rng(0)
    single, pair = (task.load(np.append(without, with_slide[:count]), rng) for count in (1, 2))
    assert not single.has_slide.any() and (single.labels["pathology"] == -1).all()
    assert pair.has_slide.sum() == 2 and (pair.labels["pathology"] >= 0).sum() >= 1
    assert (single.labels["image"][:5] == pair.labels["image"][:5]).all()


def test_measures_pass_over_what_is_not_predicted(two_inputs: SettingsMaker) -> None:
    task = mixed(two_inputs)
    logits = predict_logits(task.network, *task.test.arrays())
    assert np.isnan(logits["pathology"]).any(axis=1).tolist() == (~task.test.has_slide).tolist()
    values = {**task.log_values(task.load(np.arange(20), np.random.default_rng(0)), task.validate), **task.validate()}
    assert all(0 <= value <= 1 for value in values.values())
    alone = predict_logits(task.network, task.test.images)
    assert np.isnan(alone["pathology"]).all() and np.isfinite(alone["image"]).all()


@pytest.mark.slow
def test_slides_teach_what_a_slide_shows(two_inputs: SettingsMaker) -> None:
    """The tiles' colour tells the class: after a few steps the pathology branch reads it."""
    training = build_classification(Config(two_inputs(conv_channels=[8, 8], fully_connected=64), {}))
    task, optimizer = training.task, training.optimizer
    task.network.train()
    for seed in range(60):
        task.losses(task.load(np.arange(100), np.random.default_rng(seed)))["total"].backward()
        optimizer.step()
        optimizer.clear_grad()
    logits, seen = predict_logits(task.network, *task.test.arrays()), task.test.labels["pathology"] >= 0
    assert (logits["pathology"][seen].argmax(axis=1) == task.test.labels["pathology"][seen]).mean() > 0.9


def test_a_broken_run_of_two_inputs_goes_on_bit_for_bit(two_inputs: SettingsMaker, tmp_path: Path) -> None:
    every = {
        "checkpoint": CheckpointSettings(every=2, validate_every=4),
        "log": LogSettings(every=4, scalars_every=2),
    }
    settings = two_inputs().model_copy(update={**every, "batch_size": 20, "seed": 0})

    def run(folder: Path, stop_after: int | None = None) -> None:
        training = replace(build_classification(Config(two_inputs(), {})), steps=8)
        task, losses, done = training.task, training.task.losses, iter(range(100))

        def breaking(batch):  # type: ignore[no-untyped-def]
            if next(done) == stop_after:
                raise KeyboardInterrupt
            return losses(batch)

        task.losses = breaking  # type: ignore[method-assign]
        train(training, settings, {}, folder)

    run(tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", stop_after=5)
    run(tmp_path / "broken")
    ours, theirs = (load_checkpoint(tmp_path / name / "checkpoints", "latest")[1] for name in ("broken", "straight"))
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)


def test_pictures_show_the_tile_beside_its_section(two_inputs: SettingsMaker) -> None:
    widths = {picture.shape[1] for picture in mixed(two_inputs).images().values()}
    assert widths == {16 * 8, 2 * 16 * 8}
