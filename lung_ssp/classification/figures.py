"""Pictures of how a classification run's predictions and labels agree."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lung_ssp.cohort.classes import class_name
from lung_ssp.figures import new_figure, save_figure


def save_confusion(confusion: np.ndarray, classes: Sequence[str], title: str, statement: str, path: Path) -> None:
    """The confusion matrix as a picture, coloured by the share of each label's sections."""
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure = new_figure(8.5, 7.5)
    axis = figure.subplots()
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = [class_name(k, classes) for k in range(len(confusion))]
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_xlabel("prediction")
    axis.set_ylabel("label")
    axis.set_title(f"{title}\n{statement}", fontsize=8)
    for i in range(len(names)):
        for j in range(len(names)):
            axis.text(
                j, i, confusion[i, j], ha="center", va="center", fontsize=8, color="w" if share[i, j] > 0.5 else "k"
            )
    save_figure(figure, path, statement)
