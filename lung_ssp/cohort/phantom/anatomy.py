"""The chest plane by plane: where the lungs are, and everything but vessels, airways and lesions."""

import math
from dataclasses import dataclass

import numpy as np

from lung_ssp.cohort.phantom import tissue
from lung_ssp.cohort.phantom.body import abdomen_at, chest_wall_at, cut_out_body, draw_skeleton
from lung_ssp.cohort.phantom.chest import Chest
from lung_ssp.cohort.phantom.exact import decay
from lung_ssp.cohort.phantom.mediastinum import mediastinum_at
from lung_ssp.cohort.phantom.randomness import SmoothField
from lung_ssp.cohort.phantom.shapes import Array, Plane, smooth_step, squircle

FAR_MM = np.float32(40.0)  # beyond the pleura: what is said where there is no lung at all


@dataclass(frozen=True)
class SliceTruth:
    """One plane of the chest, all float32 (y, x).

    hu: attenuation. lung: the share 0..1 of each pixel that is lung. wall_depth: mm beyond the pleura of the chest
    wall, negative inside. mediastinum_depth: mm inside the mediastinum, negative outside.
    """

    hu: Array
    lung: Array
    wall_depth: Array
    mediastinum_depth: Array


class Anatomy:
    """A chest that can be looked at in any plane across it.

    Args:
        chest: its measures.
        low, high: corners in mm (z, y, x) of the box in which it will be looked at.
    """

    def __init__(self, chest: Chest, low: tuple[float, ...], high: tuple[float, ...], rng: np.random.Generator) -> None:
        self.chest = chest
        self._fields = [SmoothField(low, high, grain, rng) for grain in (5.0, 14.0, 40.0)]
        self._fissure_shift = rng.uniform(-12, 12, 2)

    def slice_at(self, z: float, plane: Plane) -> SliceTruth:
        """The chest in the plane at the height `z` in mm."""
        height = np.array([z])
        fine, coarse, broad = (field.on(height, plane.y[:, 0], plane.x[0])[0] for field in self._fields)
        wall = self._wall_depth(z, plane) + 1.2 * broad
        within = np.clip(0.5 - wall / plane.pixel, 0, 1)
        mediastinum, organs = mediastinum_at(self.chest, z, plane, coarse, fine)
        mediastinal = np.clip(0.5 + mediastinum / plane.pixel, 0, 1)
        diaphragm = self._below_diaphragm(z, plane) + 2.0 * broad
        abdominal = np.clip(0.5 + diaphragm / (2 * plane.pixel), 0, 1)
        lung = within * (1 - mediastinal) * (1 - abdominal)

        hu = chest_wall_at(self.chest, z, plane, wall, coarse)
        if abdominal.any():
            hu = tissue.cover(hu, abdomen_at(self.chest, z, plane, diaphragm, coarse), within)
        hu = tissue.cover(hu, organs, mediastinal * within)
        draw_skeleton(hu, self.chest, z, plane)
        parenchyma = tissue.parenchyma(self.chest.lung_hu, plane.y, fine) + 10 * broad
        hu = tissue.cover(hu, parenchyma + self._fissures(z, plane, broad), lung)
        return SliceTruth(cut_out_body(hu, self.chest, z, plane, coarse), lung, wall, mediastinum)

    def _wall_depth(self, z: float, plane: Plane) -> Array:
        """How far beyond the inner surface of the ribs a pixel lies, in mm: one cavity that divides into two apices."""
        chest = self.chest
        height = min(max(z / chest.lung_height, 0.0), 1.0)
        apex = smooth_step((height - 0.55) / 0.45)
        apex_x = 0.40 * chest.half_width
        narrower = math.sqrt(1 - height * height * height)
        half_width = (chest.half_width - apex_x) * narrower + apex_x * (1 - apex)
        flatter = math.sqrt(1 - height * height * height * height * math.sqrt(height))
        half_depth = chest.half_depth * flatter * (1 - 0.12 * smooth_step(2 * height - 1))
        if min(half_width, half_depth) < 2:
            return np.full(plane.shape, FAR_MM)
        beside_spine = decay(((np.abs(plane.x) / chest.half_width - 0.45) / 0.33) ** 2)
        deeper = np.float32(17 * (1 - apex)) * beside_spine * np.clip(plane.y / chest.half_depth, 0, 1)
        y = plane.y - np.float32(4 + 12 * apex) - deeper
        # wider behind than in front; towards the middle an apex ends where its partner's half begins
        x = (np.abs(plane.x) - np.float32(apex_x * apex)) / (1 + 0.13 * np.clip(y / chest.half_depth, -1, 0.5))
        if apex < 0.35:
            x = np.where(x < 0, x * np.float32(1 - apex), x)
        return squircle(y, x, half_depth, half_width, chest.squareness)

    def _below_diaphragm(self, z: float, plane: Plane) -> Array:
        """How far below the diaphragm's domes a pixel lies, in mm."""
        chest = self.chest
        right = plane.x < 0
        centre = np.where(right, np.float32(-0.50), np.float32(0.52)) * np.float32(chest.half_width)
        top = np.where(right, np.float32(0), np.float32(-chest.left_dome_mm))
        reach = ((plane.x - centre) / np.float32(0.68 * chest.half_width)) ** 2 + (
            (plane.y + 12) / np.float32(0.95 * chest.half_depth)
        ) ** 2
        return top - np.float32(chest.dome_depth_mm) * reach - np.float32(z)

    def _fissures(self, z: float, plane: Plane, broad: Array) -> Array:
        """What the oblique fissures add to the lung, in HU: thin sheets that rise to the back."""
        right, left = self._fissure_shift
        shift = np.where(plane.x < 0, np.float32(right), np.float32(left))
        at = (np.float32(z - 0.40 * self.chest.lung_height) - shift) * np.float32(0.75) + 6 * broad
        return 170 * np.clip(1.0 - np.abs(plane.y - at) / 1.4, 0, 1)
