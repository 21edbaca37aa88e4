"""A chest as numbers: the measures in which one patient's anatomy differs from another's."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Chest:
    """One patient's chest. Lengths in mm; x runs to the patient's left, y to the back, z to the head.

    The origin is the middle of the chest at the height of the right diaphragm's dome.

    half_width, half_depth: of the thoracic cavity. squareness: of its outline, 0 an ellipse. lung_height: from the dome
    to the apex. fat_mm, muscle_mm: of the chest wall. heart, aorta: factors of their size; heart_turn: the heart's
    rotation in the plane, in radians. left_dome_mm: how much lower the left dome stands. dome_depth_mm: how far the
    lungs reach down beside the domes. breasts: their size, 0 for none. vertebra_phase, rib_phase: where vertebrae and
    ribs begin. rib_slope: how far ribs fall from spine to sternum. lung_hu: of the parenchyma between front and back.
    table_gap_mm: between back and table.
    """

    half_width: float
    half_depth: float
    squareness: float
    lung_height: float
    fat_mm: float
    muscle_mm: float
    heart: float
    heart_turn: float
    aorta: float
    left_dome_mm: float
    dome_depth_mm: float
    breasts: float
    vertebra_phase: float
    rib_phase: float
    rib_slope: float
    lung_hu: float
    table_gap_mm: float

    @property
    def carina_z(self) -> float:
        """Height at which the trachea divides."""
        return 0.54 * self.lung_height

    @property
    def hilum_z(self) -> float:
        """Height of the hila."""
        return 0.45 * self.lung_height

    @property
    def spine_y(self) -> float:
        """The middle of the vertebral bodies, towards the back."""
        return self.half_depth - 20

    @property
    def body_half_depth(self) -> float:
        """Half the body's depth without skin."""
        return self.half_depth + 22 + self.muscle_mm * 0.3 + self.fat_mm * 0.8

    @property
    def body_half_width(self) -> float:
        """Half the body's width below the shoulders."""
        return self.half_width + 16 + self.muscle_mm * 0.5 + self.fat_mm


def draw_chest(field_mm: float, lung_hu: float, rng: np.random.Generator) -> Chest:
    """Draw a chest that fits a circular field of this diameter."""
    width = 0.5 * field_mm * rng.uniform(0.63, 0.69)
    return Chest(
        half_width=width,
        half_depth=width * rng.uniform(0.70, 0.80),
        squareness=rng.uniform(0.05, 0.35),
        lung_height=rng.uniform(185, 215),
        fat_mm=rng.uniform(5, 15),
        muscle_mm=rng.uniform(7, 13),
        heart=rng.uniform(0.88, 1.10),
        heart_turn=rng.uniform(0.45, 0.85),
        aorta=rng.uniform(0.9, 1.2),
        left_dome_mm=rng.uniform(5, 18),
        dome_depth_mm=rng.uniform(50, 75),
        breasts=float(rng.uniform(0.6, 1.3) * (rng.random() < 0.4)),
        vertebra_phase=rng.uniform(0, 24),
        rib_phase=rng.uniform(0, 26),
        rib_slope=rng.uniform(70, 100),
        lung_hu=lung_hu,
        table_gap_mm=rng.uniform(2, 8),
    )
