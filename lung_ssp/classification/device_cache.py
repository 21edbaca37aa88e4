"""The training sections in the memory of a GPU, so that a step sends it indices instead of images."""

from dataclasses import dataclass

import numpy as np
import paddle

from lung_ssp.classification.dataset import (
    ORIENTATIONS,
    SectionDataset,
    draw_orientations,
    in_orientation,
    shard_labels,
)
from lung_ssp.training.distributed import shard

SHARE_OF_MEMORY = 0.25  # of the device, which the network and its activations need as well


@dataclass(frozen=True)
class CachedBatch:
    """Some sections of a cache, with their labels.

    stored: float32 (m, 1, size, size), all images of the cache, on the device.
    rows: int64 (n,), which of them.
    labels: by task name, int64 (n,); -1 where there is none.
    """

    stored: paddle.Tensor
    rows: np.ndarray
    labels: dict[str, np.ndarray]

    def inputs(self) -> list[paddle.Tensor]:
        """The network's input on the device: the sections, float32 (n, 1, size, size), 0..1."""
        return [paddle.gather(self.stored, paddle.to_tensor(self.rows))]

    def shard(self) -> "CachedBatch":
        """This process's share of the batch."""
        return CachedBatch(self.stored, shard(self.rows), shard_labels(self.labels))


class DeviceCache:
    """The sections of a data set on Paddle's device, in all eight orientations if it augments.

    Gives the same batches as the data set itself.
    """

    def __init__(self, dataset: SectionDataset) -> None:
        self._dataset = dataset
        images = dataset.sections.images
        stored = [in_orientation(images, k) for k in range(ORIENTATIONS)] if dataset.augment else [images]
        self._images = paddle.to_tensor(np.concatenate(stored)[:, None])

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None = None) -> CachedBatch:
        """The same sections as `SectionDataset.batch` gives, with the same random numbers drawn from `rng`."""
        rows = indices
        if self._dataset.augment and rng is not None:
            rows = draw_orientations(len(indices), rng) * len(self._dataset) + indices
        return CachedBatch(self._images, rows, self._dataset.labels(indices))


def fits_on_device(dataset: SectionDataset) -> bool:
    """Whether Paddle computes on a GPU whose memory takes the data set."""
    if not paddle.device.get_device().startswith("gpu"):
        return False
    needed = dataset.sections.images.nbytes * (ORIENTATIONS if dataset.augment else 1)
    return needed <= SHARE_OF_MEMORY * paddle.device.cuda.get_device_properties().total_memory
