"""Metrics of one task against values computed by hand."""

import numpy as np
import pytest

from lung_ssp.classification.metrics import accuracy, classification_metrics, mean_accuracy

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])
LABELS = np.array([0, 1, 1, 1, -1])


def test_accuracy_counts_labelled_samples_alone() -> None:
    assert accuracy(PROBABILITIES, LABELS) == 3 / 4
    assert np.isnan(accuracy(PROBABILITIES, np.full(5, -1)))


def test_mean_accuracy_is_over_the_tasks_with_labels() -> None:
    logits = {"image": PROBABILITIES, "pathology": PROBABILITIES}
    assert mean_accuracy(logits, {"image": LABELS, "pathology": np.zeros(5, int)}) == (3 / 4 + 3 / 5) / 2
    assert mean_accuracy(logits, {"image": LABELS, "pathology": np.full(5, -1)}) == 3 / 4


def test_two_tasks_of_128_and_1540_give_multiples_of_256_and_3080() -> None:
    rng = np.random.default_rng(0)
    for count in (128, 1540):
        logits = {task: rng.normal(size=(count, 9)) for task in ("image", "pathology")}
        labels = {task: rng.integers(9, size=count) for task in ("image", "pathology")}
        share = mean_accuracy(logits, labels) * 2 * count
        assert share == pytest.approx(round(share), abs=1e-9)


def test_metrics_by_hand() -> None:
    metrics = classification_metrics(PROBABILITIES, LABELS)
    assert metrics["samples"] == 4
    assert metrics["accuracy"] == 3 / 4
    assert metrics["balanced_accuracy"] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics["confusion"] == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]
    # Class 0: the positive 0.7 beats 0.1, 0.5 and 0.2; class 1: 0.8, 0.3, 0.5 all beat 0.2; class 2 never occurs.
    assert metrics["auc_by_class"] == [1.0, 1.0, None]
    assert metrics["macro_auc"] == 1.0


def test_no_label_at_all_is_said_and_measured_as_nothing() -> None:
    assert classification_metrics(PROBABILITIES, np.full(5, -1)) == {"samples": 0}
