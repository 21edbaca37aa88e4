"""Morphology of masks: by disks slice by slice, as in the paper, and along z, which keeps lesions."""

import itertools
import math

import cv2
import numpy as np
from cc3d import connected_components

# z, and what slants from it by 45 to 55 degrees
LINES = [(1, y, x) for y, x in itertools.product((-1, 0, 1), repeat=2)]


def erosion(mask: np.ndarray, radius: int) -> np.ndarray:
    """Erode each axial slice of a bool (z, y, x) mask by a disk; radius in pixels."""
    return _by_disk(mask, cv2.MORPH_ERODE, radius)


def closing(mask: np.ndarray, radius: int) -> np.ndarray:
    """Close each axial slice of a bool (z, y, x) mask by a disk: dilate, then erode; radius in pixels."""
    return _by_disk(mask, cv2.MORPH_CLOSE, radius)


def opening(mask: np.ndarray, radius: int) -> np.ndarray:
    """Open each axial slice of a bool (z, y, x) mask by a disk: erode, then dilate; radius in pixels."""
    return _by_disk(mask, cv2.MORPH_OPEN, radius)


def fill_holes(mask: np.ndarray, largest: float) -> np.ndarray:
    """Fill the holes of each axial slice of a bool (z, y, x) mask, up to `largest` pixels."""
    filled = mask.copy()
    rows, columns = rows_and_columns(mask)
    for plane in filled[:, rows, columns]:
        # a frame of background joins all that lies outside the mask into one part, that of the first pixel
        background = np.pad(~plane, 1, constant_values=True)
        labels = connected_components(background, connectivity=4, binary_image=True)
        hole = np.bincount(labels.ravel()) <= largest
        hole[[0, labels[0, 0]]] = False
        if hole.any():
            plane |= hole[labels[1:-1, 1:-1]]
    return filled


def between(mask: np.ndarray, spacing: tuple[float, ...], reach_mm: float) -> np.ndarray:
    """Where the mask is met both above and below, on one of the lines that run along z or slant from it.

    On a line that makes an angle with z it is looked for up to `reach_mm` times the cosine: within the balls of that
    diameter that rest on the voxel and hang from it. The mask is taken to go on, mirrored, beyond its first and last
    slice.

    Args:
        mask: bool (z, y, x).
        spacing: (z, y, x) mm.
        reach_mm: how far it is looked up and down.

    Returns:
        bool (z, y, x).
    """
    beyond = min(math.ceil(reach_mm / spacing[0]), len(mask))
    mirrored = np.pad(mask, ((beyond, beyond), (0, 0), (0, 0)), mode="symmetric")
    found = np.zeros_like(mirrored)
    for up in LINES:
        step = np.multiply(up, spacing)
        steps = int(reach_mm * step[0] / (step @ step))
        down = tuple(-component for component in up)
        found |= _seen_along(mirrored, up, steps) & _seen_along(mirrored, down, steps)
    return found[beyond : beyond + len(mask)]


def _seen_along(mask: np.ndarray, direction: tuple[int, ...], steps: int) -> np.ndarray:
    """Where the mask lies 1 to `steps` voxels along the direction; the stretch looked at doubles each time."""
    seen, looked = _shifted(mask, direction, 1), 1
    if steps < 1:
        return np.zeros_like(mask)
    while looked < steps:
        further = min(looked, steps - looked)
        seen = seen | _shifted(seen, direction, further)
        looked += further
    return seen


def _shifted(mask: np.ndarray, direction: tuple[int, ...], distance: int) -> np.ndarray:
    """The mask as seen `distance` voxels along the direction; False beyond its border."""
    shifted = np.zeros_like(mask)
    source, target = [], []
    for step, size in zip(direction, mask.shape, strict=True):
        offset = min(size, distance) * step
        source.append(slice(max(0, offset), size + min(0, offset)))
        target.append(slice(max(0, -offset), size + min(0, -offset)))
    shifted[tuple(target)] = mask[tuple(source)]
    return shifted


def rows_and_columns(mask: np.ndarray, margin: int = 0) -> tuple[slice, slice]:
    """The rows and columns that hold any of a bool (z, y, x) mask, and `margin` more as far as there are some."""
    spans = []
    for axis in (1, 2):
        used = np.flatnonzero(mask.any(axis=0).any(axis=2 - axis))
        begin, end = (used[0] - margin, used[-1] + 1 + margin) if used.size else (0, 0)
        spans.append(slice(max(0, int(begin)), min(mask.shape[axis], int(end))))
    return spans[0], spans[1]


def _by_disk(mask: np.ndarray, operation: int, radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.uint8)
    changed = np.zeros_like(mask)
    box = slice(None), *rows_and_columns(mask, 2 * radius)  # as far as two operations look
    for plane, result in zip(mask[box].view(np.uint8), changed[box].view(np.uint8), strict=True):
        if plane.any():
            result[:] = cv2.morphologyEx(plane, operation, disk)
    return changed
