"""A scan through the network: the probability of a nodule at each voxel, and the candidates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax
from tqdm import tqdm

from lung_ssp.ct.lesion import Candidate, find_candidates
from lung_ssp.ct.volume import Box, Volume
from lung_ssp.ct.working_grid import inference_grid, neighbour_indices, with_neighbours
from lung_ssp.segmentation.settings import NODULE, SMALLEST_SIZE, SegmentationSettings
from lung_ssp.training.finite import check_outputs
from lung_ssp.training.onnx import ExportedNetwork

if TYPE_CHECKING:
    import paddle

# A network, whichever engine runs it: images, float32 (n, in_channels, y, x), to the probability of a nodule, float32
# (n, y, x).
NodulePredictor = Callable[[np.ndarray], np.ndarray]


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
        lungs: bool (z, y, x), its lung mask, not empty.
        settings: of the run that trained the network (`model`, `slices`, `prediction` and `nodules` are read).
    """
    grid = inference_grid(volume, lungs, settings.slices)
    inside = lungs[grid.box]
    probability = grid.to_part(probability_of_slices(predict, grid.slices, settings))
    probability[~inside] = 0  # in place: a scan of floats is among the largest things in memory
    candidates = find_candidates(probability, grid.part, inside, settings.nodules)
    return NoduleSegmentation([candidate.in_whole_scan(grid.box) for candidate in candidates], grid.box, probability)


def probability_of_slices(
    predict: NodulePredictor, slices: np.ndarray, settings: SegmentationSettings, z_mm: np.ndarray | None = None
) -> np.ndarray:
    """Normalised slices (z, y, x) to the probability of a nodule, float32 (z, y, x).

    Args:
        z_mm: (z,), where the slices lie, rising; None: one step of the working grid apart.
    """
    batch_size, channels, parts = settings.prediction.batch_size, settings.model.in_channels, []
    step_mm = settings.slices.spacing_mm[0]
    for start in tqdm(range(0, len(slices), batch_size), "nodules", leave=False, delay=3, unit="batch"):
        indices = range(start, min(start + batch_size, len(slices)))
        if z_mm is None:
            images = [with_neighbours(slices, index, channels) for index in indices]
        else:
            images = [slices[neighbour_indices(z_mm, index, channels, step_mm)] for index in indices]
        parts.append(predict(np.stack(images)))
    return np.concatenate(parts)


def probability_of_images(network: "paddle.nn.Layer", images: np.ndarray) -> np.ndarray:
    """The probability of a nodule by Paddle; it puts the network into evaluation mode and leaves it there.

    Raises:
        NotFinite: a probability is NaN.
    """
    import paddle
    from paddle.nn import functional

    network.eval()
    height, width = images.shape[2:]
    with paddle.no_grad():
        logits = network(paddle.to_tensor(mirrored(images)))[0]
        probability = functional.softmax(logits, axis=1)[:, NODULE].numpy()
    check_outputs(probability)
    return probability[:, :height, :width]


def probability_by_onnx(network: ExportedNetwork, images: np.ndarray) -> np.ndarray:
    """The probability of a nodule by ONNX Runtime.

    Raises:
        NotFinite: a logit is NaN or infinite.
    """
    height, width = images.shape[2:]
    (logits,) = network(mirrored(images))
    check_outputs(logits)
    return softmax(logits, axis=1)[:, NODULE, :height, :width]


def mirrored(images: np.ndarray) -> np.ndarray:
    """Images (n, channels, y, x) mirrored up to a size that four downsamplings divide, as patches at the border are."""
    rows, columns = (-size % SMALLEST_SIZE for size in images.shape[2:])
    return np.pad(images, ((0, 0), (0, 0), (0, rows), (0, columns)), mode="symmetric")
