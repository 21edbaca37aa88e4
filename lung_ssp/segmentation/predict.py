"""A scan through the network: the probability of a nodule at each voxel, and the candidates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.special import expit
from tqdm import tqdm

from lung_ssp.ct.lesion import Candidate, find_candidates
from lung_ssp.ct.volume import Box, Volume
from lung_ssp.ct.working_grid import PlaneBox, inference_grid, neighbour_indices, with_neighbours
from lung_ssp.segmentation.settings import NODULE, SMALLEST_SIZE, ModelSettings, SegmentationSettings, UNetSettings
from lung_ssp.training.finite import check_outputs
from lung_ssp.training.onnx import ExportedNetwork

if TYPE_CHECKING:
    import paddle

BACKGROUND = 0  # its class in logits


class NodulePredictor(Protocol):
    """A network, whichever engine runs it."""

    def __call__(self, images: np.ndarray, where: Sequence[PlaneBox] | None = None, /) -> np.ndarray:
        """Images, float32 (n, in_channels, y, x), to the probability of a nodule, float32 (n, y, x).

        Args:
            where: the part of each image that is asked for; beyond it the result is the probability or 0. None: all.
        """


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
    probability = grid.to_part(probability_of_slices(predict, grid.slices, settings, where=grid.places_of(inside)))
    probability[~inside] = 0  # in place: a scan of floats is among the largest things in memory
    candidates = find_candidates(probability, grid.part, inside, settings.nodules)
    return NoduleSegmentation([candidate.in_whole_scan(grid.box) for candidate in candidates], grid.box, probability)


def probability_of_slices(
    predict: NodulePredictor,
    slices: np.ndarray,
    settings: SegmentationSettings,
    z_mm: np.ndarray | None = None,
    where: Sequence[PlaneBox | None] | None = None,
) -> np.ndarray:
    """Normalised slices (z, y, x) to the probability of a nodule, float32 (z, y, x).

    Args:
        z_mm: (z,), where the slices lie, rising; None: one step of the working grid apart.
        where: of each slice, the part in which the probability is asked for, None where nowhere; beyond it the result
            is the probability or 0. None: everywhere.
    """
    batch_size, channels = settings.prediction.batch_size, settings.model.in_channels
    step_mm = settings.slices.spacing_mm[0]
    asked = [index for index in range(len(slices)) if where is None or where[index] is not None]
    probability = np.zeros(slices.shape, np.float32)
    for start in tqdm(range(0, len(asked), batch_size), "nodules", leave=False, delay=3, unit="batch"):
        indices = asked[start : start + batch_size]
        if z_mm is None:
            images = [with_neighbours(slices, index, channels) for index in indices]
        else:
            images = [slices[neighbour_indices(z_mm, index, channels, step_mm)] for index in indices]
        stacked = np.stack(images)
        if where is None:
            probability[indices] = predict(stacked)
        else:
            probability[indices] = predict(stacked, [place for index in indices if (place := where[index]) is not None])
    return probability


def probability_of_images(
    network: "paddle.nn.Layer", images: np.ndarray, where: Sequence[PlaneBox] | None = None
) -> np.ndarray:
    """The probability of a nodule by Paddle; it puts the network into evaluation mode and leaves it there.

    Args:
        where: not used, the whole images are computed: in training and in the preparation of a cohort, whose results
            must not depend on it.

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


def probability_by_onnx(
    network: ExportedNetwork, images: np.ndarray, where: Sequence[PlaneBox] | None = None, reach: int = 0
) -> np.ndarray:
    """The probability of a nodule by ONNX Runtime, 0 where it is not asked for.

    One image at a time: what a larger batch computes does not stay in the processor's cache, and each image has a part
    of its own.

    Args:
        where: of each image the part that is asked for.
        reach: how far from the border of a part its logits differ from those of the whole image (`reach_of`).

    Raises:
        NotFinite: a logit is NaN or infinite.
    """
    probability = np.zeros((len(images), *images.shape[2:]), np.float32)
    for index, result in enumerate(probability):
        image = mirrored(images[index : index + 1])
        if where is None or not network.takes_region:
            (logits,) = network(image)
            rows, columns = slice(None), slice(None)
        else:
            rows, columns = (even(side, reach, size) for side, size in zip(where[index], image.shape[2:], strict=True))
            (logits,) = network(image, np.array([rows.start, columns.start, rows.stop, columns.stop]) // 2)
        check_outputs(logits)
        part = result[rows, columns]
        height, width = part.shape
        part[:] = expit(logits[0, NODULE, :height, :width] - logits[0, BACKGROUND, :height, :width])
    return probability


def even(side: slice, reach: int, size: int) -> slice:
    """A side of a part with `reach` more pixels at both ends, as far as an even `size` goes; both ends even."""
    return slice(max(0, side.start - reach) // 2 * 2, min(size, side.stop + reach + 1) // 2 * 2)


def reach_of(model: ModelSettings) -> int:
    """How many pixels from the border of a part its logits differ from those of the whole image (`Decoder`).

    The convolutions of the half size, then those of the full size, see one of their pixels more each.
    """
    convolutions = 2 if isinstance(model, UNetSettings) else model.dense_layers
    return 3 * convolutions


def mirrored(images: np.ndarray) -> np.ndarray:
    """Images (n, channels, y, x) mirrored up to a size that four downsamplings divide, as patches at the border are."""
    rows, columns = (-size % SMALLEST_SIZE for size in images.shape[2:])
    return np.pad(images, ((0, 0), (0, 0), (0, rows), (0, columns)), mode="symmetric")
