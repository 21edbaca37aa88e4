"""The borders of lungs and lesions in a form that a page reads: few and small numbers."""

from collections.abc import Iterable

import cv2
import numpy as np

from lung_ssp.ct.lesion import Lesion
from lung_ssp.diagnosis.figures import lesion_outline, outlines

STRAIGHT_PIXELS = 0.6  # by which a border of the lungs may be straightened

Border = list[int]  # in half pixels: x, y of the first point, then the steps (x, y) to each further one; closed


def lung_borders(mask: np.ndarray) -> list[list[Border]]:
    """The borders of the lungs in each slice, straightened by at most STRAIGHT_PIXELS.

    Args:
        mask: bool (z, y, x).
    """
    return [_plane_borders(plane) for plane in mask]


def _plane_borders(plane: np.ndarray) -> list[Border]:
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    if not rows.size:
        return []
    part = plane[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    lines = in_half_pixels(outlines(part, rows[0], columns[0]))
    straight = (cv2.approxPolyDP(line[:, None], 2 * STRAIGHT_PIXELS, closed=True)[:, 0] for line in lines)
    return [steps(line) for line in straight if len(line) > 2]


def lesion_borders(lesion: Lesion) -> dict[int, list[Border]]:
    """The borders of a lesion by the axial slices that show it, exact."""
    side = lesion.box[0]
    return {
        z: [steps(line) for line in in_half_pixels(lesion_outline(lesion, 0, z))] for z in range(side.start, side.stop)
    }


def in_half_pixels(lines: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Closed lines of points (x, y) between pixels as int32 (points, 2), without the first point's repetition."""
    return [np.rint(2 * line[:-1]).astype(np.int32) for line in lines]


def steps(line: np.ndarray) -> Border:
    """A line of points, int32 (points, 2), as its first point and steps."""
    return np.diff(line, axis=0, prepend=0).ravel().tolist()
