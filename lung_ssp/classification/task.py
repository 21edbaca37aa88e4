"""The classifier as the training loop sees it: its losses, its log and its validation."""

import numpy as np
import paddle
from paddle.nn import functional

from lung_ssp.classification.cross_stitch import between_tasks
from lung_ssp.classification.dataset import SectionBatch, SectionDataset
from lung_ssp.classification.metrics import mean_accuracy
from lung_ssp.classification.networks import TwoTaskClassifier
from lung_ssp.classification.pictures import labelled_section
from lung_ssp.classification.settings import ClassificationSettings, TwoTaskLossSettings
from lung_ssp.cohort.classes import MISSING, TASK_NAMES

EVALUATION_BATCH = 256
PICTURES = 8


class ClassificationTask:
    """Trains `TwoTaskClassifier` on sections with two labels (implements training.task.Task)."""

    score_name = "accuracy_validation_value"
    log_name = "table2.csv"
    log_columns = (
        "global_step_value",
        "epoch",
        "loss_total_value",
        "accuracy_train_value",
        "accuracy_test_value",
    )

    def __init__(self, settings: ClassificationSettings) -> None:
        size, classes = settings.model.image_size, settings.model.num_classes
        self.loss = settings.loss
        self.training = SectionDataset(settings.train_dataset, size, classes)
        self.validation = SectionDataset(settings.val_dataset, size, classes).whole()
        self.test = SectionDataset(settings.test_dataset, size, classes).whole()
        self.size = len(self.training)
        self.network = TwoTaskClassifier(settings.model)
        self.network.set_normalisation(paddle.to_tensor(self.training.sections.images))

    def load(self, indices: np.ndarray, rng: np.random.Generator) -> SectionBatch:
        """The training sections `indices`."""
        return self.training.batch(indices, rng)

    def losses(self, batch: SectionBatch) -> dict[str, paddle.Tensor]:
        """Cross-entropy of each task, the L2 penalty, and their weighted sum as "total"."""
        logits = dict(zip(TASK_NAMES, self.network(paddle.to_tensor(batch.images)), strict=True))
        return two_task_losses(logits, batch.labels, self.network.decayed_weights(), self.loss)

    def log_values(self, batch: SectionBatch) -> dict[str, float]:
        """Mean accuracy of both tasks on the batch just learned and on the whole test set."""
        return {
            "accuracy_train_value": mean_accuracy(predict_logits(self.network, batch.images), batch.labels),
            "accuracy_test_value": mean_accuracy(predict_logits(self.network, self.test.images), self.test.labels),
        }

    def validate(self) -> dict[str, float]:
        """Mean accuracy of both tasks on the validation sections, which alone choose the best checkpoint."""
        logits = predict_logits(self.network, self.validation.images)
        return {self.score_name: mean_accuracy(logits, self.validation.labels)}

    def scalars(self) -> dict[str, float]:
        """Of each unit's alphas: the 2x2 of means, with least and greatest where a unit has more than four."""
        values: dict[str, float] = {}
        for stage, array in self.histograms().items():
            means = between_tasks(array)
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
        """Some training sections, from all over the set, with both labels."""
        batch = self.training.batch(np.linspace(0, self.size - 1, PICTURES).astype(int))
        return {
            f"sections/{i}": labelled_section(
                batch.images[i, 0], int(batch.labels["image"][i]), int(batch.labels["pathology"][i])
            )
            for i in range(len(batch))
        }


def two_task_losses(
    logits: dict[str, paddle.Tensor],
    labels: dict[str, np.ndarray],
    weights: list[paddle.Tensor],
    settings: TwoTaskLossSettings,
) -> dict[str, paddle.Tensor]:
    """The losses of one batch by name; "total" is their weighted sum."""
    losses = {task: masked_cross_entropy(logits[task], paddle.to_tensor(labels[task])) for task in TASK_NAMES}
    half_squares = paddle.add_n([(weight * weight).sum() for weight in weights]) * 0.5
    losses["l2"] = settings.l2 * half_squares
    total = settings.image * losses["image"] + settings.pathology * losses["pathology"] + losses["l2"]
    return {"total": total, **losses}


def masked_cross_entropy(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
    """Mean cross-entropy over the labelled samples; 0 where the batch holds no label."""
    total = functional.cross_entropy(logits, labels, ignore_index=MISSING, reduction="sum")
    labelled = (labels != MISSING).astype(logits.dtype).sum()
    return total / paddle.clip(labelled, min=1.0)


@paddle.no_grad()
def predict_logits(network: TwoTaskClassifier, images: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of both tasks in evaluation mode, by task name, float32 (n, classes); leaves the mode as it was.

    Args:
        images: float32 (n, 1, size, size), 0..1.
    """
    was_training = network.training
    network.eval()
    parts = [
        network(paddle.to_tensor(images[i : i + EVALUATION_BATCH])) for i in range(0, len(images), EVALUATION_BATCH)
    ]
    if was_training:
        network.train()
    return {task: np.concatenate([part[k].numpy() for part in parts]) for k, task in enumerate(TASK_NAMES)}
