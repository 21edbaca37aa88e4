"""Nodules set into patches of other scans, as the slices of those scans would show them."""

from dataclasses import dataclass

import cv2
import numpy as np

from lung_ssp.segmentation.augmentation import cut_channels
from lung_ssp.segmentation.settings import NODULE, AugmentationSettings
from lung_ssp.segmentation.sources import NoduleSlice
from lung_ssp.training.augmentation import random_matrix, warp


@dataclass(frozen=True, eq=False)
class CutNodule:
    """A nodule on the pixels of a patch.

    image: float32 (channels, size, size) HU. share: of the same shape, how much of a pixel the nodule shows, 0..1.
    marked: bool (size, size), what at least half of the readers marked in the middle channel.
    """

    image: np.ndarray
    share: np.ndarray
    marked: np.ndarray

    def set_into(self, image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A patch in HU and its classes, with the nodule in them; vessels and walls show through what is darker."""
        blended = self.share * self.image + (1 - self.share) * image
        return np.maximum(blended, image), np.where(self.marked, NODULE, label)


def cut_nodule(
    nodule: NoduleSlice,
    away_mm: np.ndarray,
    centre: np.ndarray,
    size: int,
    settings: AugmentationSettings,
    rng: np.random.Generator,
) -> CutNodule:
    """A nodule turned, scaled and mirrored at random; above and below its own slices there is none of it.

    Args:
        away_mm: (channels,), how far the slices of the patch lie from its middle one, up positive.
        centre: (y, x) in the patch, where the middle of the nodule comes to lie.
        size: side of the patch in its pixels.
    """
    stack = nodule.stack
    z_mm = stack.z_mm[nodule.index] + away_mm
    nearest = np.abs(stack.z_mm - z_mm[:, np.newaxis]).argmin(axis=1)
    half_slice = np.diff(stack.z_mm).min() / 2 if len(stack.z_mm) > 1 else 0.0
    beyond = (z_mm < stack.z_mm[0] - half_slice) | (z_mm > stack.z_mm[-1] + half_slice)
    own = nodule.own[nearest] & ~beyond[:, np.newaxis, np.newaxis]
    y, x = np.argwhere(stack.lesions[nodule.index]).mean(axis=0)
    matrix = random_matrix((y, x), size, settings, rng, stack.pixel)
    middle = (size - 1) / 2
    matrix[:, 2] -= matrix[:, :2] @ (centre[::-1] - middle)
    marked = warp(stack.lesions[nodule.index].astype(np.float32), matrix, size, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    return CutNodule(
        image=cut_channels(stack.hu[nearest], matrix, size),
        share=nodule.opacity * cut_channels(own, matrix, size, cv2.BORDER_CONSTANT),
        marked=marked >= 0.5,
    )
