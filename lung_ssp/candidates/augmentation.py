"""Training patches of candidates: turned, scaled, moved and mirrored at random, then changed in HU."""

import cv2
import numpy as np

from lung_ssp.candidates.settings import CandidateAugmentationSettings
from lung_ssp.ct.settings import PatchSettings
from lung_ssp.training.augmentation import random_intensities, random_matrix, warp


def random_candidate(
    patch: np.ndarray, settings: CandidateAugmentationSettings, seen: PatchSettings, rng: np.random.Generator
) -> np.ndarray:
    """What the network sees of a stored patch, changed at random.

    Args:
        patch: int16 HU (slices, height, width), larger than what the network sees, or as large.

    Returns:
        float32 HU (slices, seen.size, seen.size).
    """
    slices = _random_slices(len(patch), settings, rng)
    placed = _placed(patch[slices].astype(np.float32), settings, seen, rng)
    if rng.random() < settings.mirrored_border:
        placed = _mirrored_beyond_a_line(placed, rng)
    return random_intensities(placed, settings, rng)


def centred(patches: np.ndarray, size: int) -> np.ndarray:
    """The middle (n, slices, size, size) of patches (n, slices, height, width)."""
    margin = (patches.shape[-1] - size) // 2
    return patches[..., margin : margin + size, margin : margin + size]


def _random_slices(count: int, settings: CandidateAugmentationSettings, rng: np.random.Generator) -> np.ndarray:
    """Indices (count,): turned upside down, and beyond a random slice that slice again."""
    indices = np.arange(count)
    if settings.flip and rng.random() < 0.5:
        indices = indices[::-1]
    if rng.random() < settings.neighbour_dropout:
        middle = count // 2
        indices = indices[np.clip(np.arange(count), rng.integers(0, middle + 1), rng.integers(middle, count))]
    return indices


def _placed(
    patch: np.ndarray, settings: CandidateAugmentationSettings, seen: PatchSettings, rng: np.random.Generator
) -> np.ndarray:
    reach = settings.shift_mm / seen.pixel_mm
    y, x = (patch.shape[-1] - 1) / 2 + rng.uniform(-reach, reach, size=2)
    matrix = random_matrix((y, x), seen.size, settings, rng)
    channels_last = np.ascontiguousarray(patch.transpose(1, 2, 0))
    warped = warp(channels_last, matrix, seen.size, cv2.INTER_LINEAR)
    return warped.reshape(seen.size, seen.size, len(patch)).transpose(2, 0, 1)


def _mirrored_beyond_a_line(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One side of (slices, size, size) mirrored beyond a line in its outer third, as at the border of a slice."""
    size = patch.shape[-1]
    line = int(rng.integers(2 * size // 3, size))
    indices = np.arange(size)
    indices[line:] = 2 * line - 1 - indices[line:]
    if rng.random() < 0.5:
        indices = size - 1 - indices[::-1]
    return patch[:, indices] if rng.random() < 0.5 else patch[:, :, indices]
