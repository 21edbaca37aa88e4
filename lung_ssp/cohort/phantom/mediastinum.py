"""The mediastinum: heart, great vessels, oesophagus and hila in fat, and where its border to the lungs runs."""

import math
from collections.abc import Iterator

import numpy as np

from lung_ssp.cohort.phantom import tissue
from lung_ssp.cohort.phantom.chest import Chest
from lung_ssp.cohort.phantom.shapes import Array, Ellipse, Plane, smooth_step

SHARPNESS = 0.22  # per mm: how closely the border follows the organs; less rounds the niches between them
BEYOND_MM = 24.0  # where an organ no longer draws the border towards it


def mediastinum_at(chest: Chest, z: float, plane: Plane, coarse: Array, fine: Array) -> tuple[Array, Array]:
    """The mediastinum in the plane at the height `z`.

    Args:
        coarse, fine: smooth noise of deviation 1 on the plane.

    Returns:
        how deep inside it each pixel lies, in mm, negative outside; and what is there, in HU; both float32 (y, x).
    """
    hu = tissue.mediastinal_fat(fine)
    attraction = np.full(plane.shape, 1e-9)  # float64: the last bits of exp and log vanish when it is rounded
    for ellipse, organ in (*_connective_tissue(chest, z), *_organs(chest, z)):
        box, part = plane.near(ellipse, BEYOND_MM)
        depth = part.depth_in(ellipse)
        attraction[box] += np.exp(SHARPNESS * depth, dtype=np.float64)
        if organ is not None:
            hu[box] = tissue.cover(hu[box], organ, np.clip(depth + 0.8 * coarse[box] - 1.5, 0, 1))
    return (np.log(attraction) / SHARPNESS).astype(np.float32) + 1.6 * coarse, hu


def _connective_tissue(chest: Chest, z: float) -> Iterator[tuple[Ellipse, None]]:
    """What holds the organs together: along the spine, behind the sternum, and between."""
    h = z / chest.lung_height
    depth = chest.half_depth
    yield Ellipse(chest.spine_y, 0, 18, 21), None
    yield Ellipse(depth, 0, 18, 17), None
    yield Ellipse(-0.30 * depth, 2, 0.62 * depth, 13 - 6 * smooth_step(h)), None
    yield Ellipse(0.35 * depth, 6, 0.40 * depth, 20), None
    if h > 0.5:
        yield Ellipse(0.02 * depth, 0, 30 - 4 * h, 26 - 4 * h), None


def _organs(chest: Chest, z: float) -> Iterator[tuple[Ellipse, float]]:
    """Heart, vessels and oesophagus with their HU; without contrast they hardly differ. x is the patient's left."""
    h = z / chest.lung_height
    height, depth, heart, aorta = chest.lung_height, chest.half_depth, chest.heart, chest.aorta
    yield from _ball(
        z, 0.15 * height, Ellipse(-0.30 * depth, 31, 43 * heart, 64 * heart, chest.heart_turn), 64 * heart, 44
    )
    yield from _ball(z, 0.24 * height, Ellipse(-0.18 * depth, -22, 36 * heart, 36 * heart, 0.2), 56 * heart, 42)
    yield from _ball(z, 0.30 * height, Ellipse(0.10 * depth, 4, 22 * heart, 42 * heart), 34 * heart, 42)
    if 0.28 < h < 0.66:  # ascending aorta
        yield Ellipse(-0.26 * depth, -14, 16 * aorta, 16 * aorta), 45
    if 0.33 < h < 0.51:  # trunk of the pulmonary artery, and its branches
        yield Ellipse(-0.30 * depth, 18, 15, 13, 0.3), 45
    yield from _ball(z, 0.46 * height, Ellipse(-0.08 * depth, 16, 12, 36, -0.35), 13, 44)
    yield from _ball(z, 0.43 * height, Ellipse(-0.02 * depth, -20, 10, 30, 0.1), 12, 44)
    if 0.30 < h < 0.80:  # superior vena cava
        yield Ellipse(-0.18 * depth, -27, 9, 9), 42
    yield from _ball(z, 0.62 * height, Ellipse(0.06 * depth, 15, 46 * aorta, 14 * aorta, -0.22), 14 * aorta, 45)
    if h < 0.62:  # descending aorta
        yield Ellipse(chest.spine_y - 24, 21, 12 * aorta, 12 * aorta), 45
    if h > 0.5:  # arteries and veins of the neck and arms
        for y, x, radius in ((-0.14, 18, 6), (-0.20, -14, 7), (-0.05, 22, 5)):
            yield Ellipse(y * depth, x, radius, radius), 44
    yield Ellipse(0.36 * depth - 6, 7, 8, 9), 36  # oesophagus
    for side in (1, -1):  # hila
        yield from _ball(z, (0.44 if side > 0 else 0.42) * height, Ellipse(0.06 * depth, side * 34, 15, 14), 22, 40)


def _ball(z: float, middle: float, equator: Ellipse, half_height: float, hu: float) -> Iterator[tuple[Ellipse, float]]:
    """The ellipse in which an ellipsoid is cut at the height `z`, if it is."""
    above = (z - middle) / half_height
    rest = 1 - above * above
    if rest > 0.01:
        size = math.sqrt(rest)
        yield Ellipse(equator.y, equator.x, equator.half_y * size, equator.half_x * size, equator.turn), hu
