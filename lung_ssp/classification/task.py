"""The classifier as the training loop sees it: its losses, its log and its validation."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import paddle
from paddle.nn import functional

from lung_ssp.classification.cross_stitch import between_tasks
from lung_ssp.classification.dataset import SectionBatch, SectionDataset
from lung_ssp.classification.networks import TwoTaskClassifier
from lung_ssp.classification.pictures import labelled_section
from lung_ssp.classification.resident import ResidentBatch, ResidentSections, fits_on_device
from lung_ssp.classification.settings import ClassificationSettings, TwoTaskLossSettings
from lung_ssp.cohort.classes import MISSING, TASK_NAMES
from lung_ssp.cohort.store import class_names, read_cohort
from lung_ssp.training.distributed import all_reduce, differentiable_all_reduce, shard
from lung_ssp.training.precision import as_float32

Batch = TypeVar("Batch", SectionBatch, ResidentBatch)

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
        of_model = settings.model.image_size, settings.model.num_classes, settings.model.two_inputs
        self.loss = settings.loss
        self.training = SectionDataset(settings.train_dataset, *of_model)
        self.resident = ResidentSections(self.training) if fits_on_device(self.training) else None
        self.validation = share_of(SectionDataset(settings.val_dataset, *of_model).whole())
        self.test = share_of(SectionDataset(settings.test_dataset, *of_model).whole())
        # sent to the device once
        self.validation_inputs, self.test_inputs = tensors_of(self.validation), tensors_of(self.test)
        self.size = len(self.training)
        self.image_names = class_names(read_cohort(Path(settings.train_dataset.dataset_root)))["image"]
        self.network = TwoTaskClassifier(settings.model)
        self.network.set_normalisation(paddle.to_tensor(self.training.sections.images))
        if self.training.patches is not None:
            self.network.set_slide_normalisation(self.training.patches.images)

    def load(self, indices: np.ndarray, rng: np.random.Generator) -> SectionBatch | ResidentBatch:
        """This process's share of the training sections `indices`; of those on the device, only their places there.

        If just one of them has a slide, it goes without: batch normalisation needs two to compare.
        """
        if self.resident is not None:
            return share_of(self.resident.batch(indices, rng))
        batch = share_of(self.training.batch(indices, rng))
        return without_slides(batch) if batch.has_slide is not None and batch.has_slide.sum() == 1 else batch

    def inputs(self, batch: SectionBatch | ResidentBatch) -> list[paddle.Tensor]:
        """What the network is given of a training batch, on the device."""
        if isinstance(batch, SectionBatch):
            return tensors_of(batch)
        assert self.resident is not None
        return [self.resident.images(batch)]

    def losses(self, batch: SectionBatch | ResidentBatch) -> dict[str, paddle.Tensor]:
        """Cross-entropy of each task, the L2 penalty, and their weighted sum as "total"."""
        logits, labels = dict(zip(TASK_NAMES, self.network(*self.inputs(batch)), strict=True)), batch.labels
        has_slide = batch.has_slide if isinstance(batch, SectionBatch) else None
        if has_slide is not None:
            logits, labels = pathology_where_seen(logits, labels, has_slide)
        losses = two_task_losses(logits, labels, self.network.decayed_weights(), self.loss)
        if has_slide is not None and not has_slide.any():
            losses["total"] = losses["total"] + zero_loss(self.network)
        return losses

    def log_values(
        self, batch: SectionBatch | ResidentBatch, validation: Callable[[], dict[str, float]]
    ) -> dict[str, float]:
        """Mean accuracy of both tasks on the batch just learned and on the whole test set."""
        return {
            "accuracy_train_value": mean_accuracy(self.network, self.inputs(batch), batch.labels),
            "accuracy_test_value": mean_accuracy(self.network, self.test_inputs, self.test.labels),
        }

    def validate(self) -> dict[str, float]:
        """Mean accuracy of both tasks on the validation sections, which alone choose the best checkpoint."""
        return {self.score_name: mean_accuracy(self.network, self.validation_inputs, self.validation.labels)}

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
                batch.images[i, 0],
                int(batch.labels["image"][i]),
                int(batch.labels["pathology"][i]),
                None if batch.slides is None else batch.slides[i],
                self.image_names,
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
    losses = {
        task: masked_cross_entropy(as_float32(logits[task]), paddle.to_tensor(labels[task])) for task in TASK_NAMES
    }
    weights = [as_float32(weight) for weight in weights]
    half_squares = paddle.add_n([(weight * weight).sum() for weight in weights]) * 0.5
    losses["l2"] = settings.l2 * half_squares
    total = settings.image * losses["image"] + settings.pathology * losses["pathology"] + losses["l2"]
    return {"total": total, **losses}


def without_slides(batch: SectionBatch) -> SectionBatch:
    """A batch of two inputs as if nobody had a slide."""
    labels = {**batch.labels, "pathology": np.full(len(batch), MISSING)}
    return replace(batch, labels=labels, has_slide=np.zeros(len(batch), bool))


def share_of(batch: Batch) -> Batch:
    """This process's share of a batch or of a whole split."""
    fields = {name: value for name, value in vars(batch).items() if value is not None}
    labels = {task: shard(labels) for task, labels in fields.pop("labels").items()}
    return replace(batch, labels=labels, **{name: shard(array) for name, array in fields.items()})


def inputs_of(batch: SectionBatch) -> list[np.ndarray]:
    """What the network is given of a batch: the sections, and with two inputs the patches and where there are any."""
    return [array for array in (batch.images, batch.slides, batch.has_slide) if array is not None]


def tensors_of(batch: SectionBatch) -> list[paddle.Tensor]:
    """The same on Paddle's device."""
    return [paddle.to_tensor(array) for array in inputs_of(batch)]


def pathology_where_seen(
    logits: dict[str, paddle.Tensor], labels: dict[str, np.ndarray], has_slide: np.ndarray
) -> tuple[dict[str, paddle.Tensor], dict[str, np.ndarray]]:
    """The same with the pathology of those samples alone that have a slide; elsewhere its logits are no numbers.

    Where no sample has one, the pathology is one sample without a label, of which no loss comes.
    """
    rows = np.flatnonzero(has_slide)
    if len(rows):
        pathology = paddle.gather(logits["pathology"], paddle.to_tensor(rows)), labels["pathology"][rows]
    else:
        pathology = paddle.zeros_like(logits["pathology"][:1]), np.array([MISSING])
    return {**logits, "pathology": pathology[0]}, {**labels, "pathology": pathology[1]}


def zero_loss(network: TwoTaskClassifier) -> paddle.Tensor:
    """A loss of 0 that gives every parameter a gradient of 0: the optimizer wants one of each at each step."""
    return paddle.add_n([parameter.sum() for parameter in network.parameters() if not parameter.stop_gradient]) * 0.0


def masked_cross_entropy(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
    """Mean cross-entropy over the labelled samples of all processes; 0 where the batch holds no label."""
    entropies = differentiable_all_reduce(
        functional.cross_entropy(logits, labels, ignore_index=MISSING, reduction="sum")
    )
    labelled = differentiable_all_reduce((labels != MISSING).astype(logits.dtype).sum())
    return entropies / paddle.clip(labelled, min=1.0)


@paddle.no_grad()
def mean_accuracy(network: TwoTaskClassifier, inputs: list[paddle.Tensor], labels: dict[str, np.ndarray]) -> float:
    """The mean over the tasks that have labels of each task's accuracy, as the paper's log reports it.

    It is counted on the device, and read from it once; of several processes, over the samples of all.

    Args:
        network: its mode is left as it was.
        inputs: as the network takes them, each with n samples.
        labels: by task name, int64 (n,); -1 for missing.
    """
    was_training = network.training
    network.eval()
    correct = [paddle.zeros([], "int64") for _ in TASK_NAMES]
    for start in range(0, len(inputs[0]), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        logits = network(*(tensor[part] for tensor in inputs))
        for k, task in enumerate(TASK_NAMES):
            right = logits[k].argmax(axis=1) == paddle.to_tensor(labels[task][part])
            correct[k] = correct[k] + right.astype("int64").sum()
    if was_training:
        network.train()
    labelled = np.array([np.count_nonzero(labels[task] != MISSING) for task in TASK_NAMES])
    counts = zip(all_reduce(paddle.stack(correct).numpy()), all_reduce(labelled), strict=True)
    shares = [right / count for right, count in counts if count]
    return float(np.mean(shares))


@paddle.no_grad()
def predict_logits(network: TwoTaskClassifier, images: np.ndarray, *slides: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of both tasks in evaluation mode, by task name, float32 (n, classes); leaves the mode as it was.

    Args:
        images: float32 (n, 1, size, size), 0..1.
        slides: with two inputs, what SectionBatch holds as `slides` and `has_slide`; nothing: no section has a slide.
            The pathology logits of sections without a slide are NaN then.
    """
    was_training = network.training
    network.eval()
    parts = [
        network(*(paddle.to_tensor(array[i : i + EVALUATION_BATCH]) for array in (images, *slides)))
        for i in range(0, len(images), EVALUATION_BATCH)
    ]
    if was_training:
        network.train()
    return {task: np.concatenate([part[k].numpy() for part in parts]) for k, task in enumerate(TASK_NAMES)}
