"""The training sections in the memory of a GPU, so that a step sends it indices instead of images."""

from dataclasses import dataclass

import numpy as np
import paddle

from lung_ssp.classification.dataset import ORIENTATIONS, SectionDataset, draw_orientations, turned

SHARE_OF_MEMORY = 0.25  # of the device, which the network and its activations need as well


@dataclass(frozen=True)
class ResidentBatch:
    """Some sections by their place in the device's memory, with their labels.

    rows: int64 (n,), which of the tensor's sections.
    labels: by task name, int64 (n,); -1 where nobody gave one.
    """

    rows: np.ndarray
    labels: dict[str, np.ndarray]


class ResidentSections:
    """The sections of a data set of one input on Paddle's device, in all eight orientations if it augments.

    Gives the same batches as the data set itself.
    """

    def __init__(self, dataset: SectionDataset) -> None:
        self._dataset = dataset
        images = dataset.sections.images
        stored = [turned(images, k) for k in range(ORIENTATIONS)] if dataset.augment else [images]
        self._images = paddle.to_tensor(np.concatenate(stored)[:, None])

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None = None) -> ResidentBatch:
        """What `SectionDataset.batch` would give of the same sections, drawn from `rng` as there."""
        rows = indices
        if self._dataset.augment and rng is not None:
            rows = draw_orientations(len(indices), rng) * len(self._dataset) + indices
        return ResidentBatch(rows, self._dataset.labels(indices))

    def images(self, batch: ResidentBatch) -> paddle.Tensor:
        """The sections of a batch, float32 (n, 1, size, size), 0..1, on the device."""
        return paddle.gather(self._images, paddle.to_tensor(batch.rows))


def fits_on_device(dataset: SectionDataset) -> bool:
    """Whether Paddle computes on a GPU whose memory takes the data set, and it has one input."""
    if dataset.patches is not None or not paddle.device.get_device().startswith("gpu"):
        return False
    needed = dataset.sections.images.nbytes * (ORIENTATIONS if dataset.augment else 1)
    return needed <= SHARE_OF_MEMORY * paddle.device.cuda.get_device_properties().total_memory
