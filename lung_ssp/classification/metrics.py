"""Accuracy, AUC and confusion matrix of one task; samples without a label are left out."""

from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, recall_score, roc_auc_score

from lung_ssp.cohort.classes import MISSING


def classification_metrics(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Accuracy, balanced accuracy, macro AUC (one class against the rest) and confusion matrix of one task.

    Args:
        probabilities: (n, classes), rows summing to 1.
        labels: (n,), -1 for missing.

    Returns:
        plain numbers for JSON. Balanced accuracy is the mean recall of the classes that occur; `macro_auc` is the mean
        over the classes that occur among the labels together with others, `auc_by_class` holds None for the rest;
        `confusion` has the label in rows, the prediction in columns.
    """
    labelled = labels != MISSING
    probabilities, labels = probabilities[labelled], labels[labelled]
    classes = probabilities.shape[1]
    if len(labels) == 0:
        return {"samples": 0}
    predicted = probabilities.argmax(axis=1)
    by_class = [auc_against_rest(probabilities[:, k], labels == k) for k in range(classes)]
    known = [value for value in by_class if value is not None]
    return {
        "samples": len(labels),
        "accuracy": float(np.mean(predicted == labels)),
        "balanced_accuracy": float(recall_score(labels, predicted, labels=np.unique(labels), average="macro")),
        "macro_auc": float(np.mean(known)) if known else None,
        "auc_by_class": by_class,
        "confusion": confusion_matrix(labels, predicted, labels=range(classes)).tolist(),
    }


def auc_against_rest(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Area under the ROC curve of one class against all others; None where either side is empty."""
    if positive.all() or not positive.any():
        return None
    return float(roc_auc_score(positive, scores))
