"""What is logged, validated and shown while either network learns."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import paddle

from lung_ssp.classification.cross_stitch import mean_alphas
from lung_ssp.classification.dataset import CachedBatch, SectionBatch, SectionDataset
from lung_ssp.classification.networks import TwoBranchNetwork
from lung_ssp.classification.prediction import mean_accuracy, measured_on
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.cohort.classes import TASK_NAMES, class_name
from lung_ssp.cohort.description import read_cohort

PICTURES = 8
SCALE = 8
CAPTION = 36

Batch = SectionBatch | CachedBatch


class MonitoredTask:
    """What both tasks log, validate and show; a subclass adds `load` and `losses` (training.task.Task).

    Args:
        network: takes the batches' inputs; its z-score is taken from the training sections.
        splits: the data sets of training, validation and test.
    """

    score_name = "accuracy_validation_value"
    log_name = "table2.csv"
    log_columns = ("global_step_value", "epoch", "loss_total_value", "accuracy_train_value", "accuracy_test_value")

    def __init__(
        self, settings: ClassificationSettings, network: TwoBranchNetwork, splits: Sequence[SectionDataset]
    ) -> None:
        training, validation, test = splits
        network.set_normalisation(paddle.to_tensor(training.sections.images))
        self.network, self.training, self.size = network, training, len(training)
        self.validation, self.test = validation.whole().shard(), test.whole().shard()
        # sent to the device once
        self.validation_inputs = self.validation.inputs()
        self.test_inputs = self.test.inputs() if len(test) else []
        self.loss = settings.loss
        self.names = read_cohort(Path(settings.train_dataset.dataset_root)).class_names

    def log_values(self, batch: Batch, validation: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Mean accuracy of both tasks on the batch just learned and on the whole test set, NaN where there is none.

        For the dashboard alone: of each task the class that is said most of the test set, and its share.
        """
        train = mean_accuracy(self.network, batch.inputs(), batch.labels)
        if not self.test_inputs:
            return {"accuracy_train_value": train, "accuracy_test_value": math.nan}
        tested = measured_on(self.network, self.test_inputs, self.test.labels)
        values = {"accuracy_train_value": train, "accuracy_test_value": tested.accuracy}
        for task, counts in tested.said.items():
            values[f"most_said/{task}_class"] = float(counts.argmax())
            values[f"most_said/{task}_share"] = float(counts.max() / counts.sum())
        return values

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
            f"sections/{i}": captioned(batch.picture(i), int(image), int(pathology), self.names)
            for i, (image, pathology) in enumerate(labels)
        }


def captioned(
    picture: np.ndarray, image_label: int, pathology_label: int, names: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """A picture, enlarged, above the names of its two labels.

    Args:
        picture: float32 (height, width, 3), 0..1.
        names: of the classes, by task.

    Returns:
        uint8 (height, width, 3).
    """
    small = np.clip(picture * 255, 0, 255).astype(np.uint8)
    large = cv2.resize(small, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST)
    page = np.full((large.shape[0] + CAPTION, large.shape[1], 3), 255, np.uint8)
    page[: large.shape[0]] = large
    by_task = zip(TASK_NAMES, (image_label, pathology_label), strict=True)
    labels = [f"{task}: {class_name(label, names[task])}" for task, label in by_task]
    for line, label in enumerate(labels):
        corner = 3, large.shape[0] + 14 + 16 * line
        cv2.putText(page, label, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    return page
