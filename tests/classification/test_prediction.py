"""Predictions and their mean accuracy, which is a multiple of 1/256 and 1/3080 as in the paper's table."""

from collections.abc import Callable

import numpy as np
import paddle
import pytest

from lung_ssp.classification.prediction import mean_accuracy, measured_on, predict_logits
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.task import ClassificationTask
from lung_ssp.training.finite import NotFinite

SettingsMaker = Callable[..., ClassificationSettings]


def test_prediction_does_not_depend_on_how_samples_are_batched(small_settings: SettingsMaker) -> None:
    task = ClassificationTask(small_settings())
    images = task.test.images
    together = predict_logits(task.network, images)["image"]
    alone = np.concatenate([predict_logits(task.network, images[i : i + 1])["image"] for i in range(len(images))])
    np.testing.assert_allclose(together, alone, atol=1e-5)


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


def test_the_classes_that_are_said_are_counted_in_all_batches() -> None:
    labels = {"image": LABELS, "pathology": LABELS}
    said = measured_on(Fixed(PROBABILITIES, 1 - PROBABILITIES), [paddle.arange(5)], labels).said
    assert said["image"].tolist() == [3, 2, 0]
    assert said["pathology"].tolist() == [2, 0, 3]
    many = np.tile(PROBABILITIES, (200, 1))
    labels = {"image": np.tile(LABELS, 200), "pathology": np.tile(LABELS, 200)}
    assert measured_on(Fixed(many, many), [paddle.arange(1000)], labels).said["image"].tolist() == [600, 400, 0]


@pytest.mark.parametrize("count", [128, 1540])
def test_two_tasks_of_128_and_1540_give_multiples_of_256_and_3080(count: int) -> None:
    rng = np.random.default_rng(0)
    image, pathology = rng.normal(size=(2, count, 9))
    labels = {"image": rng.integers(9, size=count), "pathology": rng.integers(9, size=count)}
    right = (image.argmax(axis=1) == labels["image"]).sum() + (pathology.argmax(axis=1) == labels["pathology"]).sum()
    share = mean_accuracy(Fixed(image, pathology), [paddle.arange(count)], labels)
    assert share * 2 * count == pytest.approx(right, abs=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("task", [0, 1])
def test_a_logit_that_is_no_number_is_never_a_class(value: float, task: int) -> None:
    both = [PROBABILITIES.copy(), PROBABILITIES.copy()]
    both[task][4, 1] = value
    network, rows = Fixed(*both), np.arange(5)
    with pytest.raises(NotFinite, match="output is not finite"):
        mean_accuracy(network, [paddle.to_tensor(rows)], {"image": LABELS, "pathology": LABELS})
    with pytest.raises(NotFinite, match="output is not finite"):
        predict_logits(network, rows)
