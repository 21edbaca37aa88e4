"""Training patches: cut out of a slice with a random turn, size and mirror image, between random neighbours."""

import cv2
import numpy as np

from lung_ssp.ct.working_grid import neighbour_indices
from lung_ssp.segmentation.settings import AugmentationSettings
from lung_ssp.training.augmentation import random_matrix, warp


def random_patch(
    image: np.ndarray,
    label: np.ndarray,
    centre: tuple[float, float],
    size: int,
    settings: AugmentationSettings,
    rng: np.random.Generator,
    pixel: tuple[float, float] = (1.0, 1.0),
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a patch around `centre`, turned, scaled and mirrored at random; beyond the border the slice is mirrored.

    Args:
        image: (channels, y, x) HU.
        label: (y, x) classes, uint8, of which the nearest is taken; or whether a pixel is nodule, bool, whose border is
            drawn between the pixels.
        centre: (y, x) in pixels, where the patch's centre lies.
        size: side of the patch in its pixels.
        pixel: (y, x), how many pixels of the image one of the patch spans, before it is scaled.

    Returns:
        float32 (channels, size, size) HU and the labels (size, size).
    """
    matrix = random_matrix(centre, size, settings, rng, pixel)
    channels_last = np.ascontiguousarray(image.transpose(1, 2, 0), dtype=np.float32)
    patch = warp(channels_last, matrix, size, cv2.INTER_LINEAR).reshape(size, size, len(image))
    if label.dtype == bool:
        nodule = warp(label.astype(np.float32), matrix, size, cv2.INTER_LINEAR) >= 0.5
        return patch.transpose(2, 0, 1), nodule.astype(np.uint8)
    return patch.transpose(2, 0, 1), warp(label, matrix, size, cv2.INTER_NEAREST)


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
