"""A whole scan through the network: the probability of a nodule at each voxel."""

import numpy as np
import paddle
import paddle.nn.functional as F
from tqdm import tqdm

from lung_ssp.cohort.slices import cut_slices
from lung_ssp.ct.resampling import mean_weights, resample_axis
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.window import window
from lung_ssp.segmentation.losses import NODULE
from lung_ssp.segmentation.neighbours import with_neighbours
from lung_ssp.segmentation.settings import SMALLEST_SIZE, SegmentationSettings


def predict_probability(
    network: paddle.nn.Layer, volume: Volume, lungs: np.ndarray, settings: SegmentationSettings
) -> np.ndarray:
    """The probability of a nodule at each voxel of a scan, 0 outside the lungs.

    The scan is brought to the working grid as for training, and the result back to the scan's own grid.

    Args:
        network: a network of this package; it is used, and left, in evaluation mode.
        volume: the scan.
        lungs: bool (z, y, x), the lung mask on the scan's own grid; not empty.
        settings: of the run that trained the network (`slices` and `prediction` are read).

    Returns:
        float32 (z, y, x), 0..1, on the scan's own grid.
    """
    grid = cut_slices(volume, lungs, settings.slices).scan
    network.eval()
    probability = probability_of_slices(
        network, window(grid.hu, settings.slices.window_hu), settings.prediction.batch_size
    )
    probability = _to_grid_of(volume, grid, probability)
    probability[~lungs] = 0  # in place: a scan of floats is among the largest things in memory
    return probability


def probability_of_slices(network: paddle.nn.Layer, slices: np.ndarray, batch_size: int) -> np.ndarray:
    """Normalised slices (z, y, x) to the probability of a nodule, float32 (z, y, x); network in evaluation mode."""
    parts = []
    for start in tqdm(range(0, len(slices), batch_size), "nodules", leave=False, delay=3, unit="batch"):
        indices = range(start, min(start + batch_size, len(slices)))
        images = np.stack([with_neighbours(slices, index, network.in_channels) for index in indices])
        parts.append(probability_of_images(network, images))
    return np.concatenate(parts)


def probability_of_images(network: paddle.nn.Layer, images: np.ndarray) -> np.ndarray:
    """Images (n, channels, y, x) to the probability of a nodule, float32 (n, y, x); network in evaluation mode."""
    height, width = images.shape[2:]
    # mirrored up to a size that four downsamplings divide, as patches at the border are in training
    rows, columns = (-size % SMALLEST_SIZE for size in (height, width))
    padded = np.pad(images, ((0, 0), (0, 0), (0, rows), (0, columns)), mode="symmetric")
    with paddle.no_grad():
        logits = network(paddle.to_tensor(padded))[0]
        return F.softmax(logits, axis=1)[:, NODULE].numpy()[:, :height, :width]


def _to_grid_of(volume: Volume, grid: Volume, values: np.ndarray) -> np.ndarray:
    """Interpolate values of the working grid linearly at the voxels of the scan; they fade to 0 beyond the grid."""
    first = grid.to_index(np.array(volume.origin))
    for axis in range(3):
        positions = first[axis] + volume.spacing[axis] / grid.spacing[axis] * np.arange(volume.shape[axis])
        values = resample_axis(values, mean_weights(values.shape[axis], positions, width=0), axis)
    return values
