"""The paper's classifier as the training loop sees it: two tasks learn from one CT section."""

import numpy as np
import paddle
from paddle.nn import functional
from paddle.nn.clip import _squared_l2_norm

from lung_ssp.classification.dataset import CachedBatch, DeviceCache, SectionBatch, SectionDataset, fits_on_device
from lung_ssp.classification.monitoring import MonitoredTask
from lung_ssp.classification.networks import TwoTaskClassifier
from lung_ssp.classification.settings import ClassificationSettings, TwoTaskLossSettings
from lung_ssp.cohort.classes import MISSING, TASK_NAMES
from lung_ssp.training.distributed import differentiable_all_reduce, shard
from lung_ssp.training.precision import as_float32


class ClassificationTask(MonitoredTask):
    """Trains `TwoTaskClassifier` on sections with two labels (implements training.task.Task)."""

    def __init__(self, settings: ClassificationSettings) -> None:
        model = settings.model
        splits = [SectionDataset(split, model.image_size, model.num_classes) for split in settings.splits()]
        super().__init__(settings, TwoTaskClassifier(model), splits)
        self.source = DeviceCache(self.training) if fits_on_device(self.training) else self.training

    def load(self, indices: np.ndarray, rng: np.random.Generator) -> SectionBatch | CachedBatch:
        """This process's shard of the training sections `indices`."""
        return self.source.batch(indices, rng).shard()

    def losses(self, batch: SectionBatch | CachedBatch) -> dict[str, paddle.Tensor]:
        """Cross-entropy of each task, the L2 penalty, and their weighted sum as "total"."""
        logits = dict(zip(TASK_NAMES, self.network(*batch.inputs()), strict=True))
        return two_task_losses(logits, batch.labels, self.network.decayed_weights(), self.loss)


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
    squares = [_squared_l2_norm(weight).reshape([1]) for weight in shard(weights)]
    zero = paddle.zeros([1])  # of a process that has no share of the weights
    zero.stop_gradient = False  # it takes part in the sum's backward pass all the same
    half_squares = differentiable_all_reduce(paddle.add_n([zero, *squares])).sum() * 0.5
    losses["l2"] = settings.l2 * half_squares
    total = settings.image * losses["image"] + settings.pathology * losses["pathology"] + losses["l2"]
    return {"total": total, **losses}


def masked_cross_entropy(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
    """Mean cross-entropy over the labelled samples of all processes; 0 where the batch holds no label."""
    entropies = differentiable_all_reduce(
        functional.cross_entropy(logits, labels, ignore_index=MISSING, reduction="sum")
    )
    labelled = differentiable_all_reduce((labels != MISSING).astype(logits.dtype).sum())
    return entropies / paddle.clip(labelled, min=1.0)
