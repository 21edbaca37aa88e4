"""What is logged, validated and shown while either network learns."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import paddle

from lung_ssp.classification.cross_stitch import mean_alphas
from lung_ssp.classification.dataset import SectionBatch, SectionDataset
from lung_ssp.classification.networks import TwoBranchNetwork
from lung_ssp.classification.pictures import captioned
from lung_ssp.classification.prediction import mean_accuracy
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.cohort.description import read_cohort

PICTURES = 8


class Batch(Protocol):
    """Some samples with two labels."""

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """By task name, int64 (n,); -1 where there is none."""

    def inputs(self) -> list[paddle.Tensor]:
        """The network's inputs on Paddle's device."""


class MonitoredTask:
    """What both tasks log, validate and show; a subclass adds `load` and `losses` (training.task.Task).

    Args:
        network: takes the batches' inputs.
        training: the sections to learn from.
        validation, test: this process's share of these splits.
        dataset_root: folder of the cohort, which names the classes.
    """

    score_name = "accuracy_validation_value"
    log_name = "table2.csv"
    log_columns = (
        "global_step_value",
        "epoch",
        "loss_total_value",
        "accuracy_train_value",
        "accuracy_test_value",
    )

    def __init__(
        self,
        network: TwoBranchNetwork,
        training: SectionDataset,
        validation: SectionBatch,
        test: SectionBatch,
        dataset_root: str,
    ) -> None:
        self.network, self.training, self.size = network, training, len(training)
        self.validation, self.test = validation, test
        # sent to the device once
        self.validation_inputs, self.test_inputs = validation.inputs(), test.inputs()
        self.image_names = read_cohort(Path(dataset_root)).image_classes

    def log_values(self, batch: Batch, validation: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Mean accuracy of both tasks on the batch just learned and on the whole test set."""
        return {
            "accuracy_train_value": mean_accuracy(self.network, batch.inputs(), batch.labels),
            "accuracy_test_value": mean_accuracy(self.network, self.test_inputs, self.test.labels),
        }

    def validate(self) -> dict[str, float]:
        """Mean accuracy of both tasks on the validation sections, which alone choose the best checkpoint."""
        return {self.score_name: mean_accuracy(self.network, self.validation_inputs, self.validation.labels)}

    def scalars(self) -> dict[str, float]:
        """Of each unit's alphas: the 2x2 of means, with least and greatest where a unit has more than four."""
        values: dict[str, float] = {}
        for stage, array in self.histograms().items():
            means = mean_alphas(array)
            for i, to in enumerate(TASK_NAMES):
                for j, source in enumerate(TASK_NAMES):
                    tag = f"{stage}/{to}_from_{source}"
                    values[tag] = float(means[i, j])
                    if array.ndim == 3:
                        values[f"{tag}_least"] = float(array[i, j].min())
                        values[f"{tag}_greatest"] = float(array[i, j].max())
            if array.ndim == 2 and array.shape[0] > 2:
                values[f"{stage}/least"] = float(array.min())
                values[f"{stage}/greatest"] = float(array.max())
        return values

    def histograms(self) -> dict[str, np.ndarray]:
        """The alphas of each unit by its stage."""
        return {f"alphas/{stage}": alphas.numpy() for stage, alphas in self.network.alphas().items()}

    def images(self) -> dict[str, np.ndarray]:
        """Some training samples, from all over the set, with both labels."""
        batch = self.training.batch(np.linspace(0, self.size - 1, PICTURES).astype(int))
        labels = zip(batch.labels["image"], batch.labels["pathology"], strict=True)
        return {
            f"sections/{i}": captioned(batch.picture(i), int(image), int(pathology), self.image_names)
            for i, (image, pathology) in enumerate(labels)
        }
