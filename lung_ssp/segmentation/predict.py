"""A whole scan through the network: the probability of a nodule at each voxel."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import paddle
import paddle.nn.functional as F
from scipy.special import softmax
from tqdm import tqdm

from lung_ssp.cohort.slices import cut_slices
from lung_ssp.ct.resampling import mean_weights, resample_axis
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.window import window
from lung_ssp.segmentation.losses import NODULE
from lung_ssp.segmentation.neighbours import with_neighbours
from lung_ssp.segmentation.settings import SMALLEST_SIZE, SegmentationSettings
from lung_ssp.training.onnx import ExportedNetwork


class NodulePredictor(Protocol):
    """A network, whichever engine runs it.

    in_channels: of its images, neighbouring slices.
    """

    @property
    def in_channels(self) -> int: ...

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Images, float32 (n, in_channels, y, x), to the probability of a nodule, float32 (n, y, x)."""


@dataclass(frozen=True)
class PaddlePredictor:
    """A network of this package; it is used, and left, in evaluation mode."""

    network: paddle.nn.Layer

    @property
    def in_channels(self) -> int:
        """Of its images."""
        return self.network.in_channels

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The probability of a nodule, by Paddle."""
        self.network.eval()
        return probability_of_images(self.network, images)


@dataclass(frozen=True)
class OnnxPredictor:
    """The same network as it was exported."""

    network: ExportedNetwork
    in_channels: int

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The probability of a nodule, by ONNX Runtime."""
        height, width = images.shape[2:]
        (logits,) = self.network(mirrored(images))
        return softmax(logits, axis=1)[:, NODULE, :height, :width]


def predict_probability(
    predict: NodulePredictor, volume: Volume, lungs: np.ndarray, settings: SegmentationSettings
) -> np.ndarray:
    """The probability of a nodule at each voxel of a scan, 0 outside the lungs.

    The scan is brought to the working grid as for training, and the result back to the scan's own grid.

    Args:
        predict: the network.
        volume: the scan.
        lungs: bool (z, y, x), the lung mask on the scan's own grid; not empty.
        settings: of the run that trained the network (`slices` and `prediction` are read).

    Returns:
        float32 (z, y, x), 0..1, on the scan's own grid.
    """
    grid = cut_slices(volume, lungs, settings.slices).scan
    probability = probability_of_slices(
        predict, window(grid.hu, settings.slices.window_hu), settings.prediction.batch_size
    )
    probability = _to_grid_of(volume, grid, probability)
    probability[~lungs] = 0  # in place: a scan of floats is among the largest things in memory
    return probability


def probability_of_slices(predict: NodulePredictor, slices: np.ndarray, batch_size: int) -> np.ndarray:
    """Normalised slices (z, y, x) to the probability of a nodule, float32 (z, y, x)."""
    parts = []
    for start in tqdm(range(0, len(slices), batch_size), "nodules", leave=False, delay=3, unit="batch"):
        indices = range(start, min(start + batch_size, len(slices)))
        parts.append(predict(np.stack([with_neighbours(slices, index, predict.in_channels) for index in indices])))
    return np.concatenate(parts)


def probability_of_images(network: paddle.nn.Layer, images: np.ndarray) -> np.ndarray:
    """Images (n, channels, y, x) to the probability of a nodule, float32 (n, y, x); network in evaluation mode."""
    height, width = images.shape[2:]
    with paddle.no_grad():
        logits = network(paddle.to_tensor(mirrored(images)))[0]
        return F.softmax(logits, axis=1)[:, NODULE].numpy()[:, :height, :width]


def mirrored(images: np.ndarray) -> np.ndarray:
    """Images (n, channels, y, x) mirrored up to a size that four downsamplings divide, as patches at the border are."""
    rows, columns = (-size % SMALLEST_SIZE for size in images.shape[2:])
    return np.pad(images, ((0, 0), (0, 0), (0, rows), (0, columns)), mode="symmetric")


def _to_grid_of(volume: Volume, grid: Volume, values: np.ndarray) -> np.ndarray:
    """Interpolate values of the working grid linearly at the voxels of the scan; they fade to 0 beyond the grid."""
    first = grid.to_index(np.array(volume.origin))
    for axis in range(3):
        positions = first[axis] + volume.spacing[axis] / grid.spacing[axis] * np.arange(volume.shape[axis])
        values = resample_axis(values, mean_weights(values.shape[axis], positions, width=0), axis)
    return values
