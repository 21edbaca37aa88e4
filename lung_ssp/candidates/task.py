"""What the training loop is handed to train the false-positive reduction."""

from collections.abc import Callable

import cv2
import numpy as np
import paddle
import paddle.nn.functional as F

from lung_ssp.candidates.dataset import CandidateBatch, CandidateDataset, TrainingCandidates
from lung_ssp.candidates.metrics import auc_of_sources
from lung_ssp.candidates.prediction import probability_of_patches
from lung_ssp.candidates.settings import BinaryCrossEntropySettings
from lung_ssp.training.distributed import all_gather, differentiable_all_reduce, world_size
from lung_ssp.training.precision import as_float32

PICTURES, SCALE = 8, 4


class FalsePositiveTask:
    """A network with its candidates, its loss and its measures (training/task.py's protocol)."""

    score_name = "auc"
    log_name = "log.csv"
    log_columns = ("global_step_value", "epoch", "loss_total_value", "accuracy_train_value", "auc_validation_value")

    def __init__(
        self,
        network: paddle.nn.Layer,
        training: TrainingCandidates,
        validation: CandidateDataset,
        loss: BinaryCrossEntropySettings,
    ) -> None:
        self.network, self.training, self.validation, self.loss = network, training, validation, loss
        self.size = len(training)

    def load(self, indices: np.ndarray, rng: np.random.Generator) -> CandidateBatch:
        """This process's shard of the training candidates that `indices` choose, each changed at random."""
        return self.training.batch(indices, rng)

    def losses(self, batch: CandidateBatch) -> dict[str, paddle.Tensor]:
        """The loss of a batch, network in training mode."""
        (logits,) = self.network(paddle.to_tensor(batch.patches))
        smoothing = self.loss.label_smoothing
        labels = paddle.to_tensor(batch.labels) * (1 - 2 * smoothing) + smoothing
        mean = F.binary_cross_entropy_with_logits(as_float32(logits), labels)
        return {"total": differentiable_all_reduce(mean.reshape([1])) / world_size()}

    def log_values(self, batch: CandidateBatch, validation: Callable[[], dict[str, float]]) -> dict[str, float]:
        """The accuracy on the batch just learned, and the validation's AUC."""
        right = (probability_of_patches(self.network, batch.patches) > 0.5) == (batch.labels[:, 0] > 0.5)
        self.network.train()
        return {
            "accuracy_train_value": float(all_gather(right.astype(np.float64)).mean()),
            "auc_validation_value": validation()["auc"],
        }

    def validate(self) -> dict[str, float]:
        """The AUC of the validation's nodules against the false candidates of each source, their mean."""
        probability = probability_of_patches(self.network, self.validation.whole())
        self.network.train()
        return {"auc": float(np.mean(list(auc_of_sources(probability, self.validation.rows).values())))}

    def scalars(self) -> dict[str, float]:
        """Nothing beside losses and measures."""
        return {}

    def histograms(self) -> dict[str, np.ndarray]:
        """No histograms."""
        return {}

    def images(self) -> dict[str, np.ndarray]:
        """The middle slices of one batch of training patches, nodules with a white frame."""
        batch = self.training.batch(np.arange(PICTURES), np.random.default_rng(0))
        pictures = {}
        for index, (patch, label) in enumerate(zip(batch.patches, batch.labels[:, 0], strict=True)):
            grey = np.repeat((patch[len(patch) // 2] * 255).astype(np.uint8)[:, :, None], 3, axis=2)
            picture = cv2.resize(grey, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST)
            if label:
                picture[[0, -1]] = picture[:, [0, -1]] = 255
            pictures[f"patch/{index}"] = picture
        return pictures
