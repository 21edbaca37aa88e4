"""A scan through the network: the probability of a nodule at each voxel, and the candidates."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import paddle
import paddle.nn.functional as F
from scipy.special import softmax
from tqdm import tqdm

from lung_ssp.ct.lesion import Candidate, find_candidates
from lung_ssp.ct.volume import Box, Volume
from lung_ssp.ct.working_grid import crop_to_lungs, with_neighbours
from lung_ssp.segmentation.losses import NODULE
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


@dataclass(frozen=True, eq=False)
class NoduleSegmentation:
    """The nodules of one scan.

    candidates: in the whole scan, the most suspicious first.
    box: the part of the scan that holds the lungs and was segmented.
    probability: float32 (z, y, x) of the box's shape, 0..1, the probability of a nodule; outside the lungs it is 0.
    """

    candidates: list[Candidate]
    box: Box
    probability: np.ndarray

    def probability_in(self, shape: tuple[int, int, int]) -> np.ndarray:
        """The probability at each voxel of the whole scan, float32 of its `shape` (z, y, x)."""
        whole = np.zeros(shape, np.float32)
        whole[self.box] = self.probability
        return whole


def segment_nodules(
    predict: NodulePredictor, volume: Volume, lungs: np.ndarray, settings: SegmentationSettings
) -> NoduleSegmentation:
    """Find the nodules of a scan, in the part of it that holds the lungs.

    Args:
        predict: the network.
        volume: the scan.
        lungs: bool (z, y, x), its lung mask, not empty.
        settings: of the run that trained the network (`slices`, `prediction` and `nodules` are read).
    """
    grid = crop_to_lungs(volume, lungs, settings.slices)
    inside = lungs[grid.box]
    on_grid = probability_of_slices(predict, grid.slices, settings.prediction.batch_size)
    probability = grid.to_part(on_grid)
    probability[~inside] = 0  # in place: a scan of floats is among the largest things in memory
    candidates = find_candidates(probability, grid.part, inside, settings.nodules)
    return NoduleSegmentation([candidate.moved(grid.box) for candidate in candidates], grid.box, probability)


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
