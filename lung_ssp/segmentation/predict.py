"""A scan through the network: the probability of a nodule at each voxel, and the candidates."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import paddle
import paddle.nn.functional as F
from scipy.special import softmax
from tqdm import tqdm

from lung_ssp.ct.candidates import find_candidates
from lung_ssp.ct.lesion import Candidate
from lung_ssp.ct.volume import Box, Volume
from lung_ssp.ct.window import window
from lung_ssp.ct.working_grid import from_working_grid, lung_box, to_working_grid, with_neighbours
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
    """Find the nodules of a scan.

    It is cropped to its lungs first: nothing is sought outside, and a whole scan takes several times the memory.

    Args:
        predict: the network.
        volume: the scan.
        lungs: bool (z, y, x), its lung mask, not empty.
        settings: of the run that trained the network (`slices`, `prediction` and `nodules` are read).
    """
    box = lung_box(lungs, volume.spacing, settings.slices.margin_mm)
    part, inside = volume.crop(box), lungs[box]
    probability = predict_probability(predict, part, inside, settings)
    candidates = [
        replace(candidate, lesion=candidate.lesion.moved(box))
        for candidate in find_candidates(probability, part, inside, settings.nodules)
    ]
    return NoduleSegmentation(candidates, box, probability)


def predict_probability(
    predict: NodulePredictor, volume: Volume, lungs: np.ndarray, settings: SegmentationSettings
) -> np.ndarray:
    """The probability of a nodule at each voxel of a scan that is cropped to its lungs; outside them it is 0.

    The scan is brought to the working grid as for training, and the result back to the scan's own grid.

    Args:
        predict: the network.
        volume: the scan, cropped to `lung_box`.
        lungs: bool (z, y, x), the lung mask of the volume's shape.
        settings: of the run that trained the network (`slices` and `prediction` are read).

    Returns:
        float32 (z, y, x), 0..1, on the scan's own grid.
    """
    grid = to_working_grid(volume, settings.slices)
    slices = window(grid.hu, settings.slices.window_hu)
    probability = probability_of_slices(predict, slices, settings.prediction.batch_size)
    probability = from_working_grid(probability, grid, volume)
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
