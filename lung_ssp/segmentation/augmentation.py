"""Training patches: cut out of a slice with a random turn, size and mirror image, then changed in HU."""

import math

import cv2
import numpy as np

from lung_ssp.ct.volume import AIR_HU
from lung_ssp.ct.working_grid import neighbour_indices
from lung_ssp.segmentation.settings import AugmentationSettings


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
    angle = math.radians(rng.uniform(-settings.rotation_degrees, settings.rotation_degrees))
    magnification = math.exp(rng.uniform(math.log(settings.scale[0]), math.log(settings.scale[1])))
    mirror = np.where(settings.flip & (rng.random(2) < 0.5), -1.0, 1.0)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    to_source = turn / magnification * mirror  # of (x, y) offsets from the centre; the mirror acts on the patch's axes
    to_source = np.array(pixel[::-1])[:, np.newaxis] * to_source
    middle = (size - 1) / 2
    offset = np.array(centre[::-1]) - to_source @ [middle, middle]
    matrix = np.column_stack([to_source, offset])
    channels_last = np.ascontiguousarray(image.transpose(1, 2, 0), dtype=np.float32)
    patch = _warp(channels_last, matrix, size, cv2.INTER_LINEAR).reshape(size, size, len(image))
    if label.dtype == bool:
        nodule = _warp(label.astype(np.float32), matrix, size, cv2.INTER_LINEAR) >= 0.5
        return patch.transpose(2, 0, 1), nodule.astype(np.uint8)
    return patch.transpose(2, 0, 1), _warp(label, matrix, size, cv2.INTER_NEAREST)


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


def random_intensities(patch: np.ndarray, settings: AugmentationSettings, rng: np.random.Generator) -> np.ndarray:
    """Blur, noise, contrast and shift of a patch (channels, y, x) in HU, as scanners and doses differ.

    The noise is as smooth as the random blur of its own makes it, for a scanner's noise is correlated.
    """
    noise = rng.standard_normal(patch.shape, dtype=np.float32)
    noise = _blurred(noise, rng.uniform(0, settings.blur_pixels))
    noise *= rng.uniform(0, settings.noise_hu) / noise.std()
    contrast = rng.uniform(1 - settings.contrast, 1 + settings.contrast)
    shift = rng.uniform(-settings.shift_hu, settings.shift_hu)
    blurred = _blurred(patch, rng.uniform(0, settings.blur_pixels))
    return (blurred - AIR_HU) * contrast + AIR_HU + shift + noise


def _warp(plane: np.ndarray, matrix: np.ndarray, size: int, interpolation: int) -> np.ndarray:
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(plane, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT)


def _blurred(patch: np.ndarray, sigma: float) -> np.ndarray:
    if sigma < 0.2:  # narrower than a pixel's own width: the kernel would be one pixel
        return patch
    channels_last = np.ascontiguousarray(patch.transpose(1, 2, 0))
    blurred = cv2.GaussianBlur(channels_last, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return blurred.reshape(channels_last.shape).transpose(2, 0, 1)
