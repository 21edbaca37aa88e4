"""The body around the lungs: chest wall, upper abdomen, skin, clothing and table, and the bones but for the ribs."""

import math

import numpy as np

from lung_ssp.cohort.phantom import tissue
from lung_ssp.cohort.phantom.chest import Chest
from lung_ssp.cohort.phantom.exact import decay, settle
from lung_ssp.cohort.phantom.shapes import Array, Ellipse, Plane, smooth_step, squircle

LIVER, SPLEEN, STOMACH, SKIN, GLAND = 58.0, 50.0, 35.0, 15.0, -30.0
CLOTH, FOAM, TABLE_TOP = -650.0, -960.0, -150.0

VERTEBRA_MM = 24.0  # height of a vertebra with its disc
DISC_MM = 5.0
DISC_HU, CANAL_HU = 75.0, 15.0


def chest_wall_at(chest: Chest, z: float, plane: Plane, wall_depth: Array, coarse: Array) -> Array:
    """Ribs, muscles and fat beyond the pleura, float32 (y, x) HU; the body's outline is not yet cut out.

    Args:
        wall_depth: mm beyond the pleura. coarse: smooth noise of deviation 1.
    """
    h = z / chest.lung_height
    girdle = smooth_step((h - 0.30) / 0.5)
    to_side = np.minimum(np.abs(plane.x) / chest.half_width, 1.3)
    to_back = np.minimum(np.abs(plane.y) / chest.half_depth, 1.0)
    thickness = 12 + chest.muscle_mm * (0.4 + 0.6 * to_side) + girdle * (10 + 12 * to_back) * to_side + 2 * coarse
    along = np.float32(z + chest.rib_phase) + np.float32(chest.rib_slope) * plane.around * (1 + 0.1 * np.sign(plane.x))
    hu = tissue.chest_wall(wall_depth, along, thickness)
    hu += np.where(wall_depth > thickness, 6 * coarse, 0)
    for side in (-1, 1):
        plane.fill(hu, Ellipse(chest.spine_y + 40, side * 34, 16, 26, -0.3 * side), tissue.MUSCLE)
        if h > 0.50:  # the muscles of the shoulder, and of the breast
            middle = Ellipse(0.25 * chest.half_depth, side * (chest.half_width + 2), 34, 15 + 16 * girdle, 0.5 * side)
            plane.fill(hu, middle, tissue.MUSCLE, 2 * coarse)
            front = Ellipse(-0.80 * chest.half_depth, side * 0.62 * chest.half_width, 9, 44, 0.35 * side)
            plane.fill(hu, front, tissue.MUSCLE, coarse)
    return hu


def abdomen_at(chest: Chest, z: float, plane: Plane, below_diaphragm: Array, coarse: Array) -> Array:
    """What lies below the diaphragm: liver, spleen, stomach with its gas, and fat, float32 (y, x) HU."""
    hu = np.where(plane.x < 18 + 10 * coarse, np.float32(LIVER), np.float32(tissue.FAT))
    depth, width = chest.half_depth, chest.half_width
    plane.fill(hu, Ellipse(0.42 * depth, 0.62 * width, 32, 30, 0.5), SPLEEN, coarse)
    stomach = Ellipse(-0.20 * depth, 0.48 * width, 38, 34, 0.4)
    plane.fill(hu, stomach, STOMACH, coarse)
    if z < -chest.left_dome_mm - 12:  # gas gathers in the front of the stomach, above a level
        gas = np.minimum(plane.depth_in(stomach) - 4, -plane.y - 0.32 * depth)
        hu = tissue.cover(hu, tissue.AIR, np.clip(gas + 0.5, 0, 1))
    return tissue.cover(hu, tissue.MUSCLE, np.clip(1 - np.abs(below_diaphragm - 2) / 3, 0, 1))


def cut_out_body(hu: Array, chest: Chest, z: float, plane: Plane, coarse: Array) -> Array:
    """The body of `hu` with skin, in air, with clothing on it and the table below it, float32 (y, x) HU."""
    h = z / chest.lung_height
    shoulders = smooth_step((h - 0.55) / 0.5)
    inside = -squircle(
        plane.y - np.float32(7 + 14 * shoulders) + 6 * decay((plane.x / 28) ** 2) * (plane.y > 0),
        plane.x,
        chest.body_half_depth * (1 - 0.26 * shoulders * math.sqrt(shoulders)),
        chest.body_half_width + 42 * shoulders,
        0.45,
    )
    size = chest.breasts * math.sqrt(max(1 - abs(h - 0.28) / 0.32, 0.0))
    if size > 0.05:
        for side in (-1, 1):
            breast = Ellipse(
                -0.86 * chest.body_half_depth, side * 0.62 * chest.half_width, 24 * size, 56 * size, 0.3 * side
            )
            depth = plane.depth_in(breast)
            inside = np.maximum(inside, depth)
            in_front = (depth > 3) & (plane.y < -chest.body_half_depth + 14)
            hu = np.where(in_front, tissue.cover(tissue.FAT, GLAND, np.clip(coarse, 0, 1)), hu)
    hu = np.where(inside < 2.0, np.float32(SKIN), hu)
    return tissue.cover(_around_body(chest, plane, inside, coarse), hu, np.clip(inside + 0.5, 0, 1))


def _around_body(chest: Chest, plane: Plane, inside: Array, coarse: Array) -> Array:
    """Air, clothing and table, float32 (y, x) HU."""
    waves = settle(np.sin(plane.x / 23, dtype=np.float64)).astype(np.float32)
    folds = inside + 5 + 2 * coarse + 2 * waves
    clothed = (np.abs(folds) < 0.8) & (plane.y < 0.7 * chest.body_half_depth)
    below = plane.y - np.float32(chest.body_half_depth + 7 + chest.table_gap_mm) + plane.x**2 / 1300
    layers = [clothed, np.abs(below - 1) < 1, np.abs(below - 30) < 1.2, (below > 0) & (below < 30)]
    materials = [np.float32(CLOTH), np.float32(TABLE_TOP), np.float32(TABLE_TOP), np.float32(FOAM)]
    return np.select(layers, materials, np.float32(tissue.AIR))


def draw_skeleton(hu: Array, chest: Chest, z: float, plane: Plane) -> None:
    """Draw the bones in the plane at the height `z` over `hu`, float32 (y, x), in place."""
    _spine(hu, chest, z, plane)
    h = z / chest.lung_height
    if 0.12 < h < 0.80:  # sternum, and the manubrium on top of it
        front = -chest.half_depth * (1 - 0.35 * max(h - 0.5, 0)) - 6
        plane.fill_bone(hu, Ellipse(front, 0, 6, 15 + 14 * smooth_step((h - 0.5) / 0.3)))
    for side in (-1, 1):
        _shoulder(hu, chest, h, side, plane)


def _spine(hu: Array, chest: Chest, z: float, plane: Plane) -> None:
    """Bodies and discs in turn, the arch around the canal, transverse and spinous processes."""
    y = chest.spine_y
    phase = (z + chest.vertebra_phase) % VERTEBRA_MM
    body = Ellipse(y, 0, 14, 18)
    if phase < DISC_MM:
        plane.fill(hu, body, DISC_HU)
    else:
        plane.fill_bone(hu, body)
        plane.fill_bone(hu, Ellipse(y + 23, 0, 13, 16))
        if phase < 15:
            for side in (-1, 1):
                plane.fill_bone(hu, Ellipse(y + 22, side * 27, 5, 14, 0.35 * side))
        plane.fill_bone(hu, Ellipse(y + 43, 0, 13, 3.6))
    plane.fill(hu, Ellipse(y + 21, 0, 8, 9.5), CANAL_HU)


def _shoulder(hu: Array, chest: Chest, h: float, side: int, plane: Plane) -> None:
    """Shoulder blade, clavicle and head of the arm's bone on one side (-1 right, 1 left)."""
    if h > 0.28:
        up = min((h - 0.28) / 0.5, 1.0)
        y, x = chest.half_depth * (0.66 - 0.27 * up), side * (chest.half_width * 0.96 + 7 * up)
        plane.fill_bone(hu, Ellipse(y, x, 3.2, 10 + 30 * up, side * (-1.15 + 0.25 * up)))
        if h > 0.72:  # its spine
            plane.fill_bone(hu, Ellipse(y + 16, x + side * 8, 3.4, 26, side * -0.45))
    if h > 0.92:
        plane.fill_bone(hu, Ellipse(0.05 * chest.half_depth, side * (chest.half_width + 30), 20, 20))
    if 0.80 < h < 1.02:
        out = (h - 0.80) / 0.22
        plane.fill_bone(
            hu, Ellipse((-0.55 + 0.18 * out) * chest.half_depth, side * (30 + 60 * out), 6, 20, side * 0.45)
        )
