"""What the training loop is handed to train a segmentation network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddleseg.core.train import loss_computation

from lung_ssp.segmentation.dataset import SliceDataset
from lung_ssp.segmentation.figures import TRUTH, outlined
from lung_ssp.segmentation.metrics import dice
from lung_ssp.segmentation.predict import probability_of_images
from lung_ssp.segmentation.settings import NODULE
from lung_ssp.training.distributed import all_gather, all_reduce, barrier, shard

PICTURES = 8
VALIDATION_BATCH = 4  # slices at once; bounds the memory only


@dataclass(frozen=True, eq=False)
class Batch:
    """images: float32 (n, channels, h, w), 0..1. labels: int64 (n, h, w), 0 background, 1 nodule, 255 not counted."""

    images: np.ndarray
    labels: np.ndarray

    def shard(self) -> "Batch":
        """This process's shard of the batch."""
        return Batch(shard(self.images), shard(self.labels))


class SegmentationTask:
    """A network with its slices, its loss and its measures (training/task.py's protocol).

    Args:
        network: with one output, logits of background and nodule.
        train_dataset: patches to learn from.
        val_dataset: whole slices that choose the best checkpoint.
        loss: PaddleSeg's dictionary of losses and their weights.
    """

    score_name = "dice"
    log_name = "log.csv"
    log_columns = ("global_step_value", "epoch", "loss_total_value", "dice_train_value", "dice_validation_value")

    def __init__(
        self, network: paddle.nn.Layer, train_dataset: SliceDataset, val_dataset: SliceDataset, loss: dict[str, Any]
    ) -> None:
        self.network = network
        self.train_dataset = train_dataset
        self.val_dataset = val_dataset
        self.loss = loss
        self.size = len(train_dataset)

    def load(self, indices: np.ndarray, rng: np.random.Generator) -> Batch:
        """This process's shard of the patches `indices`, each placed and changed at random."""
        samples = shard([self.train_dataset.sample(int(index), rng) for index in indices])
        return Batch(
            images=np.stack([sample["img"] for sample in samples]),
            labels=np.stack([sample["label"] for sample in samples]),
        )

    def losses(self, batch: Batch) -> dict[str, paddle.Tensor]:
        """The configured loss of a batch, network in training mode."""
        images, labels = paddle.to_tensor(batch.images), paddle.to_tensor(batch.labels)
        parts = loss_computation(self.network(images), labels, None, self.loss)
        return {"total": sum(parts[1:], parts[0])}

    def log_values(self, batch: Batch, validation: Callable[[], dict[str, float]]) -> dict[str, float]:
        """The Dice of the nodules in the batch, pooled over its patches, and of the validation scans."""
        predicted = probability_of_images(self.network, batch.images) > 0.5
        self.network.train()
        return {
            "dice_train_value": foreground_dice(
                all_gather(predicted), all_gather(batch.labels), self.train_dataset.ignore_index
            ),
            "dice_validation_value": validation()["dice"],
        }

    def validate(self) -> dict[str, float]:
        """The mean over the validation scans of the Dice of the nodules in each scan's slices."""
        measured = {"dice": float(np.mean(self._dice_by_scan()))}
        self.network.train()
        return measured

    def scalars(self) -> dict[str, float]:
        """Nothing beside losses and measures."""
        return {}

    def histograms(self) -> dict[str, np.ndarray]:
        """No histograms."""
        return {}

    def images(self) -> dict[str, np.ndarray]:
        """Training patches with the nodules outlined, from both ends of an epoch's list: without and with a lesion."""
        indices = np.linspace(0, self.size - 1, PICTURES).astype(int)
        samples = {int(index): self.train_dataset[int(index)] for index in indices}
        return {
            f"patch/{index}": outlined(sample["img"][len(sample["img"]) // 2], {TRUTH: sample["label"] == NODULE})
            for index, sample in samples.items()
        }

    def _dice_by_scan(self) -> np.ndarray:
        """The Dice of the nodules over each validation scan's slices, pooled within the scan; float64 (scans,)."""
        groups = self.val_dataset.indices_by_scan()
        scores = np.zeros(len(groups))
        for scan in shard(np.arange(len(groups))):
            scores[scan] = self._dice_of([self.val_dataset[index] for index in groups[scan]])
        barrier()  # one of them may have had a scan more
        return all_reduce(scores)

    def _dice_of(self, samples: list[dict[str, Any]]) -> float:
        labels = np.concatenate([sample["label"] for sample in samples])
        parts = [samples[start : start + VALIDATION_BATCH] for start in range(0, len(samples), VALIDATION_BATCH)]
        probability = np.concatenate(
            [probability_of_images(self.network, np.stack([sample["img"] for sample in part])) for part in parts]
        )
        return foreground_dice(probability > 0.5, labels, self.val_dataset.ignore_index)


def foreground_dice(predicted: np.ndarray, labels: np.ndarray, ignore_index: int) -> float:
    """The Dice of the nodules, pooled over (n, y, x), of what counts."""
    return dice(predicted & (labels != ignore_index), labels == NODULE)
