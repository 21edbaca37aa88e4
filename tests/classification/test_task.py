"""Losses and measures of the two tasks against hand-computed values."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest

from lung_ssp.classification.build import build_classification
from lung_ssp.classification.settings import ClassificationSettings, TwoTaskLossSettings
from lung_ssp.classification.task import (
    ClassificationTask,
    inputs_of,
    masked_cross_entropy,
    mean_accuracy,
    pathology_where_seen,
    predict_logits,
    two_task_losses,
    without_slides,
)
from lung_ssp.training.checkpoint import load_checkpoint
from lung_ssp.training.loop import TrainingPlan, train
from lung_ssp.training.settings import CheckpointSettings, ComputeSettings, LogSettings

SettingsMaker = Callable[..., ClassificationSettings]


def test_masked_cross_entropy_is_the_mean_over_labelled_samples() -> None:
    logits = paddle.to_tensor([[0.0, 0.0], [math.log(3.0), 0.0], [5.0, 5.0]])
    # Labelled: -log(1/2) and -log(3/4); the third has no label.
    loss = masked_cross_entropy(logits, paddle.to_tensor([0, 0, -1]))
    assert float(loss) == pytest.approx((math.log(2) - math.log(0.75)) / 2, abs=1e-6)


def test_a_missing_label_sends_no_gradient() -> None:
    logits = paddle.to_tensor([[1.0, 2.0], [3.0, 1.0]], stop_gradient=False)
    masked_cross_entropy(logits, paddle.to_tensor([-1, 0])).backward()
    assert logits.grad.numpy()[0].tolist() == [0.0, 0.0]
    assert np.any(logits.grad.numpy()[1])


def test_a_batch_without_any_label_has_no_loss() -> None:
    assert float(masked_cross_entropy(paddle.to_tensor([[1.0, 2.0]]), paddle.to_tensor([-1]))) == 0.0


def test_total_is_the_weighted_sum_with_half_the_squared_weights() -> None:
    logits = {task: paddle.zeros([1, 2]) for task in ("image", "pathology")}
    labels = {task: np.array([0]) for task in ("image", "pathology")}
    settings = TwoTaskLossSettings(image=2.0, pathology=3.0, l2=0.1)
    losses = two_task_losses(logits, labels, [paddle.to_tensor([1.0, 2.0]), paddle.to_tensor([3.0])], settings)
    assert float(losses["l2"]) == pytest.approx(0.7)  # 0.1 * (1 + 4 + 9) / 2
    assert float(losses["total"]) == pytest.approx(5 * math.log(2) + 0.1 * 7, abs=1e-6)


def test_the_untrained_network_starts_near_twice_the_log_of_nine(small_settings: SettingsMaker) -> None:
    paddle.seed(0)
    task = ClassificationTask(small_settings(num_classes={"image": 9, "pathology": 9}))
    losses = task.losses(task.load(np.arange(100), np.random.default_rng(0)))
    assert float(losses["image"] + losses["pathology"]) == pytest.approx(2 * math.log(9), rel=0.35)


def test_logged_accuracy_is_measured_in_evaluation_mode_and_leaves_the_network_training(
    small_settings: SettingsMaker,
) -> None:
    task = ClassificationTask(small_settings())
    task.network.train()
    batch = task.load(np.arange(20), np.random.default_rng(0))
    before = {name: value.numpy().copy() for name, value in task.network.state_dict().items()}
    values = task.log_values(batch, task.validate)
    assert set(values) == {"accuracy_train_value", "accuracy_test_value"}
    assert task.network.training
    assert all(np.array_equal(before[name], value.numpy()) for name, value in task.network.state_dict().items())


def test_prediction_does_not_depend_on_how_samples_are_batched(small_settings: SettingsMaker) -> None:
    task = ClassificationTask(small_settings())
    images = task.test.images
    together = predict_logits(task.network, images)["image"]
    alone = np.concatenate([predict_logits(task.network, images[i : i + 1])["image"] for i in range(len(images))])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_alphas_are_reported_per_unit_with_their_range(small_settings: SettingsMaker) -> None:
    task = ClassificationTask(small_settings())
    scalars = task.scalars()
    assert scalars["alphas/pool1/image_from_image"] == 1.0
    assert scalars["alphas/pool1/image_from_pathology_greatest"] == 0.0
    assert set(task.histograms()) == {"alphas/pool1", "alphas/pool2", "alphas/fc3"}
    by_layer = ClassificationTask(small_settings(alphas={"granularity": "layer"})).scalars()
    assert len(by_layer) == 3 * 4


def test_pictures_are_colour_images(small_settings: SettingsMaker) -> None:
    pictures = ClassificationTask(small_settings()).images()
    assert len(pictures) == 8
    for picture in pictures.values():
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3


def two_inputs(small_settings: SettingsMaker, **model: object) -> ClassificationTask:
    alphas = {"initial": [[0.9, 0.1], [0.1, 0.9]]}
    return ClassificationTask(small_settings(two_inputs=True, alphas=alphas, **model))


def test_the_pathology_is_learnt_where_there_is_a_slide() -> None:
    nan = float("nan")
    logits = {"image": paddle.zeros([3, 2]), "pathology": paddle.to_tensor([[nan, nan], [0.0, 0.0], [nan, nan]])}
    labels = {"image": np.array([0, 1, 0]), "pathology": np.array([-1, 1, -1])}
    seen, of_seen = pathology_where_seen(logits, labels, np.array([False, True, False]))
    losses = two_task_losses(seen, of_seen, [paddle.zeros([1])], TwoTaskLossSettings())
    assert float(losses["total"]) == pytest.approx(2 * math.log(2), abs=1e-6)
    seen, of_seen = pathology_where_seen(logits, labels, np.zeros(3, bool))
    assert float(masked_cross_entropy(seen["pathology"], paddle.to_tensor(of_seen["pathology"]))) == 0.0


@pytest.mark.parametrize("granularity", ["layer", "channel", "dense"])
def test_a_step_works_with_many_slides_and_with_none(small_settings: SettingsMaker, granularity: str) -> None:
    alphas = {"granularity": granularity, "initial": [[0.9, 0.1], [0.1, 0.9]]}
    task, optimizer, _, _ = build_classification(small_settings(two_inputs=True, alphas=alphas))
    batch = task.training.batch(np.arange(20), np.random.default_rng(0))
    assert batch.has_slide.sum() >= 3
    for one in (without_slides(batch), batch, without_slides(batch)):
        task.network.train()
        losses = task.losses(one)
        losses["total"].backward()
        optimizer.step()
        optimizer.clear_grad()
        assert np.isfinite(float(losses["total"]))
        assert (float(losses["pathology"]) == 0.0) == (not one.has_slide.any())
    assert all(np.isfinite(value.numpy()).all() for value in task.network.state_dict().values())


def test_a_single_slide_in_a_batch_is_left_out(small_settings: SettingsMaker) -> None:
    task = two_inputs(small_settings)
    with_slide = np.flatnonzero(task.training.has_slide)
    without = np.flatnonzero(~task.training.has_slide)[:5]
    rng = np.random.default_rng(0)
    single, pair = (task.load(np.append(without, with_slide[:count]), rng) for count in (1, 2))
    assert not single.has_slide.any() and (single.labels["pathology"] == -1).all()
    assert pair.has_slide.sum() == 2 and (pair.labels["pathology"] >= 0).sum() >= 1
    assert (single.labels["image"][:5] == pair.labels["image"][:5]).all()


def test_measures_pass_over_what_is_not_predicted(small_settings: SettingsMaker) -> None:
    task = two_inputs(small_settings)
    logits = predict_logits(task.network, *inputs_of(task.test))
    assert np.isnan(logits["pathology"]).any(axis=1).tolist() == (~task.test.has_slide).tolist()
    values = {**task.log_values(task.load(np.arange(20), np.random.default_rng(0)), task.validate), **task.validate()}
    assert all(0 <= value <= 1 for value in values.values())
    alone = predict_logits(task.network, task.test.images)
    assert np.isnan(alone["pathology"]).all() and np.isfinite(alone["image"]).all()


def test_slides_teach_what_a_slide_shows(small_settings: SettingsMaker) -> None:
    """The patches' colour tells the class: after a few steps the pathology branch reads it."""
    task, optimizer, _, _ = build_classification(
        small_settings(two_inputs=True, conv_channels=[8, 8], fully_connected=64)
    )
    task.network.train()
    for seed in range(60):
        task.losses(task.load(np.arange(100), np.random.default_rng(seed)))["total"].backward()
        optimizer.step()
        optimizer.clear_grad()
    logits, seen = predict_logits(task.network, *inputs_of(task.test)), task.test.labels["pathology"] >= 0
    assert (logits["pathology"][seen].argmax(axis=1) == task.test.labels["pathology"][seen]).mean() > 0.9


def test_a_broken_run_of_two_inputs_goes_on_bit_for_bit(small_settings: SettingsMaker, tmp_path: Path) -> None:
    plan = TrainingPlan(
        8,
        20,
        0,
        CheckpointSettings(every=2, validate_every=4),
        LogSettings(every=4, scalars_every=2),
        ComputeSettings(),
        {},
    )

    def run(folder: Path, stop_after: int | None = None) -> None:
        task, optimizer, scheduler, _ = build_classification(small_settings(two_inputs=True))
        losses, done = task.losses, iter(range(100))

        def breaking(batch):  # type: ignore[no-untyped-def]
            if next(done) == stop_after:
                raise KeyboardInterrupt
            return losses(batch)

        task.losses = breaking  # type: ignore[method-assign]
        train(task, optimizer, scheduler, plan, folder)

    run(tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", stop_after=5)
    run(tmp_path / "broken")
    ours, theirs = (load_checkpoint(tmp_path / name / "checkpoints", "latest")[1] for name in ("broken", "straight"))
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)


def test_pictures_show_the_patch_beside_its_section(small_settings: SettingsMaker) -> None:
    widths = {picture.shape[1] for picture in two_inputs(small_settings).images().values()}
    assert widths == {16 * 8, 2 * 16 * 8}


class Fixed(paddle.nn.Layer):
    """Gives the logits it was made with, for the samples that are asked for by their number."""

    def __init__(self, image: np.ndarray, pathology: np.ndarray) -> None:
        super().__init__()
        self.logits = [paddle.to_tensor(values.astype("float32")) for values in (image, pathology)]

    def forward(self, rows: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
        return tuple(paddle.gather(values, rows) for values in self.logits)


PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])
LABELS = np.array([0, 1, 1, 1, -1])


def test_mean_accuracy_is_over_the_tasks_with_labels() -> None:
    network, rows = Fixed(PROBABILITIES, PROBABILITIES), [paddle.arange(5)]
    assert mean_accuracy(network, rows, {"image": LABELS, "pathology": np.zeros(5, int)}) == (3 / 4 + 3 / 5) / 2
    assert mean_accuracy(network, rows, {"image": LABELS, "pathology": np.full(5, -1)}) == 3 / 4


@pytest.mark.parametrize("count", [128, 1540])
def test_two_tasks_of_128_and_1540_give_multiples_of_256_and_3080(count: int) -> None:
    rng = np.random.default_rng(0)
    image, pathology = rng.normal(size=(2, count, 9))
    labels = {"image": rng.integers(9, size=count), "pathology": rng.integers(9, size=count)}
    right = (image.argmax(axis=1) == labels["image"]).sum() + (pathology.argmax(axis=1) == labels["pathology"]).sum()
    share = mean_accuracy(Fixed(image, pathology), [paddle.arange(count)], labels)
    assert share * 2 * count == pytest.approx(right, abs=1e-9)
