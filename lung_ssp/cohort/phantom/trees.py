"""The trees inside the lungs of a whole chest: arteries, veins and airways, grown from the hila into the lungs."""

from dataclasses import dataclass

import numpy as np

from lung_ssp.cohort.phantom.chest import Chest
from lung_ssp.cohort.phantom.vessels import Tubes, grow_tree, join_tubes

ARTERIES, VEINS, AIRWAYS = 620, 460, 24  # tips in each lung
WALL_MM = 0.8  # of an airway


@dataclass(frozen=True)
class LungTrees:
    """Vessels of both lungs, and the airways from the trachea on (radii of the lumen, in mm)."""

    vessels: Tubes
    airways: Tubes


def grow_lung_trees(chest: Chest, lung_points: np.ndarray, rng: np.random.Generator) -> LungTrees:
    """Grow the trees.

    Args:
        lung_points: (n, 3) mm (z, y, x), places evenly spread over both lungs, not too near their surface.
    """
    carina = np.array([chest.carina_z, 0.08 * chest.half_depth, 0.0])
    above = np.array([chest.lung_height + 60, -0.05 * chest.half_depth, 0.0])
    vessels, airways = [], [Tubes(above[None], carina[None], np.array([8.5]), np.array([8.0]))]
    for sign in (-1, 1):
        own = lung_points[np.sign(lung_points[:, 2]) == sign]
        artery = np.array([chest.hilum_z + 4, 0.0, sign * 40.0])
        vein = np.array([chest.hilum_z - 12, -4.0, sign * 36.0])
        bronchus = np.array([chest.hilum_z + 2, 8.0, sign * 38.0])
        vessels.append(grow_tree(artery, _some(own, ARTERIES, rng), 0.55, 2.6, 0.09, rng))
        vessels.append(grow_tree(vein, _some(own, VEINS, rng), 0.55, 2.6, 0.09, rng))
        airways.append(Tubes(carina[None], bronchus[None], np.array([6.8]), np.array([5.6])))
        airways.append(grow_tree(bronchus, _some(own, AIRWAYS, rng), 0.5, 1.5, 0.06, rng))
    return LungTrees(join_tubes(vessels), join_tubes(airways))


def _some(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return points[rng.choice(len(points), size=min(count, len(points)), replace=False)]
