"""Metrics of one task against values computed by hand."""

import numpy as np
import pytest

from lung_ssp.classification.metrics import TaskMetrics, task_metrics

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])
LABELS = np.array([0, 1, 1, 1, -1])


def test_metrics_by_hand() -> None:
    metrics = task_metrics(PROBABILITIES, LABELS)
    assert metrics.samples == 4
    assert metrics.accuracy == 3 / 4
    assert metrics.balanced_accuracy == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.confusion == ((1, 0, 0), (1, 2, 0), (0, 0, 0))
    # Class 0: the positive 0.7 beats 0.1, 0.5 and 0.2; class 1: 0.8, 0.3, 0.5 all beat 0.2; class 2 never occurs.
    assert metrics.auc_by_class == (1.0, 1.0, None)
    assert metrics.macro_auc == 1.0


def test_no_label_at_all_is_said_and_measured_as_nothing() -> None:
    assert task_metrics(PROBABILITIES, np.full(5, -1)) == TaskMetrics(0, None, None, None, None, None)
