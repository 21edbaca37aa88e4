"""Losses of the two tasks against hand-computed values."""

import math
from collections.abc import Callable

import numpy as np
import paddle
import pytest

from lung_ssp.classification.settings import ClassificationSettings, TwoTaskLossSettings
from lung_ssp.classification.task import (
    ClassificationTask,
    masked_cross_entropy,
    two_task_losses,
)

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
