"""Training patches: cut out of a slice with a random turn, size and mirror image, between random neighbours."""

import cv2
import numpy as np

from lung_ssp.ct.working_grid import neighbour_indices
from lung_ssp.segmentation.settings import AugmentationSettings
from lung_ssp.training.augmentation import warp


def cut(image: np.ndarray, label: np.ndarray, matrix: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A patch of a slice by the matrix of `random_matrix`; beyond the border the slice is mirrored.

    Args:
        image: (channels, y, x) HU.
        label: (y, x) classes, uint8, of which the nearest is taken; or whether a pixel is nodule, bool, whose border is
            drawn between the pixels.
        size: side of the patch in its pixels.

    Returns:
        float32 (channels, size, size) HU and the labels (size, size).
    """
    patch = cut_channels(image, matrix, size)
    if label.dtype == bool:
        nodule = warp(label.astype(np.float32), matrix, size, cv2.INTER_LINEAR) >= 0.5
        return patch, nodule.astype(np.uint8)
    return patch, warp(label, matrix, size, cv2.INTER_NEAREST)


def cut_channels(image: np.ndarray, matrix: np.ndarray, size: int, border: int = cv2.BORDER_REFLECT) -> np.ndarray:
    """Channels (channels, y, x) alone, linear between the pixels; float32 (channels, size, size)."""
    channels_last = np.ascontiguousarray(image.transpose(1, 2, 0), dtype=np.float32)
    patch = warp(channels_last, matrix, size, cv2.INTER_LINEAR, border).reshape(size, size, len(image))
    return patch.transpose(2, 0, 1)


def random_neighbours(
    z_mm: np.ndarray,
    index: int,
    channels: int,
    step_mm: float,
    settings: AugmentationSettings,
    rng: np.random.Generator,
) -> np.ndarray:
    """A slice between its neighbours, as indices (channels,), which other slice spacings would show.

    Nothing is drawn where the settings leave the neighbours alone.

    Args:
        z_mm: (z,), where the slices lie, rising.
        step_mm: distance of the neighbours, where none is drawn.
    """
    if settings.neighbour_mm is not None:
        nearest, farthest = settings.neighbour_mm
        step_mm = rng.uniform(nearest, farthest)
    indices = neighbour_indices(z_mm, index, channels, step_mm)
    if settings.neighbour_dropout:
        indices[rng.random(channels) < settings.neighbour_dropout] = index
    return indices
