"""Morphology of masks: by disks slice by slice, as in the paper, and along z, which keeps lesions."""

import itertools

import cv2
import numpy as np
from cc3d import connected_components

# z, and what slants from it by 45 to 55 degrees
LINES = [(1, y, x) for y, x in itertools.product((-1, 0, 1), repeat=2)]
AROUND = [(1, y, x) for y, x in ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))]  # in a ring


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
    diameter that rest on the voxel and hang from it. Beyond its first and last slice the mask is taken to go on as it
    is there. A line that meets it only there counts if the one that slants the opposite way meets it too: what lies in
    a bay of the mask is surrounded so, what lies beside a mask that narrows towards the end is not.

    Args:
        mask: bool (z, y, x).
        spacing: (z, y, x) mm.
        reach_mm: how far it is looked up and down.

    Returns:
        bool (z, y, x).
    """
    found = np.zeros_like(mask)
    box = slice(None), *rows_and_columns(mask)  # what is between lies within it
    within, bridged = np.ascontiguousarray(mask[box]), found[box]
    for line in LINES:
        bridged |= _between_along(within, line, _steps(line, spacing, reach_mm))
    for towards_end, at_end in ((within, bridged), (within[::-1], bridged[::-1])):
        if towards_end[0].any():
            at_end |= _between_at_end(towards_end, spacing, reach_mm)
    return found


def _between_at_end(mask: np.ndarray, spacing: tuple[float, ...], reach_mm: float) -> np.ndarray:
    """Where the mask is met both ways on two lines that slant apart, if it goes on as it is before its first slice."""
    steps = [_steps(line, spacing, reach_mm) for line in AROUND]
    reach = max(steps)
    continued = np.pad(mask[: 2 * reach], ((reach, 0), (0, 0), (0, 0)), mode="edge")
    met = [_between_along(continued, *line)[reach : 2 * reach] for line in zip(AROUND, steps, strict=True)]
    found = np.zeros_like(mask)
    for turn, along in enumerate(met):
        found[:reach] |= along & (met[turn - 3] | met[turn - 4] | met[turn - 5])
    return found


def _steps(line: tuple[int, ...], spacing: tuple[float, ...], reach_mm: float) -> int:
    """How many steps along a line are looked at."""
    step = np.multiply(line, spacing)
    return int(reach_mm * step[0] / (step @ step))


def _between_along(mask: np.ndarray, line: tuple[int, ...], steps: int) -> np.ndarray:
    """Where the mask is met both ways on one line; there is nothing beyond its first and last slice."""
    down = tuple(-component for component in line)
    return _seen_along(mask, line, steps) & _seen_along(mask, down, steps)


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
    shadow = mask.any(axis=0)
    for axis in (1, 2):
        used = np.flatnonzero(shadow.any(axis=2 - axis))
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
