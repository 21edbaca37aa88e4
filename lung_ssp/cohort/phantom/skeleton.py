"""The bones but for the ribs, which belong to the chest wall: spine, sternum, shoulder blades, clavicles, arms."""

from lung_ssp.cohort.phantom.chest import Chest
from lung_ssp.cohort.phantom.shapes import Array, Ellipse, Plane, smooth_step

VERTEBRA_MM = 24.0  # height of a vertebra with its disc
DISC_MM = 5.0
DISC_HU, CANAL_HU = 75.0, 15.0


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
