"""Random changes of training images that networks of several tasks learn from: their place, and their HU."""

import math
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from lung_ssp.ct.volume import AIR_HU


class PlacementSettings(Protocol):
    """flip: mirrored along both axes at random. rotation_degrees: largest turn. scale: least and greatest."""

    @property
    def flip(self) -> bool: ...
    @property
    def rotation_degrees(self) -> float: ...
    @property
    def scale(self) -> Sequence[float]: ...


class IntensitySettings(Protocol):
    """blur_pixels, noise_hu, contrast, shift_hu: the largest of each."""

    @property
    def blur_pixels(self) -> float: ...
    @property
    def noise_hu(self) -> float: ...
    @property
    def contrast(self) -> float: ...
    @property
    def shift_hu(self) -> float: ...


def random_matrix(
    centre: tuple[float, float],
    size: int,
    settings: PlacementSettings,
    rng: np.random.Generator,
    pixel: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """From pixels (x, y) of a patch to those of its source: turned, scaled and mirrored at random; float64 (2, 3).

    Args:
        centre: (y, x) in pixels of the source, where the patch's centre lies.
        size: side of the patch in its pixels.
        pixel: (y, x), how many pixels of the source one of the patch spans, before it is scaled.
    """
    angle = math.radians(rng.uniform(-settings.rotation_degrees, settings.rotation_degrees))
    magnification = math.exp(rng.uniform(math.log(settings.scale[0]), math.log(settings.scale[1])))
    mirror = np.where(settings.flip & (rng.random(2) < 0.5), -1.0, 1.0)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    to_source = turn / magnification * mirror  # of (x, y) offsets from the centre; the mirror acts on the patch's axes
    to_source = np.array(pixel[::-1])[:, np.newaxis] * to_source
    middle = (size - 1) / 2
    offset = np.array(centre[::-1]) - to_source @ [middle, middle]
    return np.column_stack([to_source, offset])


def warp(
    plane: np.ndarray, matrix: np.ndarray, size: int, interpolation: int, border: int = cv2.BORDER_REFLECT
) -> np.ndarray:
    """A patch (size, size, ...) of a plane (y, x, ...) by `random_matrix`.

    Args:
        border: what lies beyond the border: the plane's mirror image, or 0 (cv2.BORDER_CONSTANT).
    """
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(plane, matrix, (size, size), flags=flags, borderMode=border)


def random_intensities(patch: np.ndarray, settings: IntensitySettings, rng: np.random.Generator) -> np.ndarray:
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


def _blurred(patch: np.ndarray, sigma: float) -> np.ndarray:
    if sigma < 0.2:  # narrower than a pixel's own width: the kernel would be one pixel
        return patch
    channels_last = np.ascontiguousarray(patch.transpose(1, 2, 0))
    blurred = cv2.GaussianBlur(channels_last, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return blurred.reshape(channels_last.shape).transpose(2, 0, 1)
