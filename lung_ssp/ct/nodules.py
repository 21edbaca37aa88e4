"""Nodules out of a probability volume: connected in 3-D, measured, most suspicious first (paper section 3, Fig. 4)."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy import ndimage
from scipy.spatial.distance import pdist

from lung_ssp.ct.section import make_section
from lung_ssp.ct.settings import NoduleSettings, SectionSettings
from lung_ssp.ct.volume import Volume

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Nodule:
    """One candidate.

    centre_mm: (x, y, z) LPS, the centroid of its voxels.
    diameter_mm: of the sphere of equal volume.
    longest_axial_diameter_mm: the longest line between two of its pixels in any axial slice, one pixel included.
    volume_mm3, mean_hu: of its voxels.
    score: 0..1, how sure the network is, see `find_nodules`.
    slice_index: the axial slice of its largest area, an index into the scan's z axis.
    box: slices along (z, y, x) of the scan that just hold it.
    voxels: bool, the shape of the box: which of its voxels belong to the nodule.
    """

    centre_mm: tuple[float, float, float]
    diameter_mm: float
    longest_axial_diameter_mm: float
    volume_mm3: float
    mean_hu: float
    score: float
    slice_index: int
    box: Box
    voxels: np.ndarray

    def moved(self, part: Box) -> "Nodule":
        """The same nodule as seen from the whole scan, where it was found in the part of it that `part` cuts out."""
        z, y, x = (
            slice(side.start + outer.start, side.stop + outer.start) for side, outer in zip(self.box, part, strict=True)
        )
        return replace(self, box=(z, y, x), slice_index=self.slice_index + part[0].start)

    def mask(self, shape: tuple[int, ...]) -> np.ndarray:
        """The nodule as a bool array of the scan's shape (z, y, x)."""
        mask = np.zeros(shape, bool)
        mask[self.box] = self.voxels
        return mask

    def section(self, volume: Volume, settings: SectionSettings) -> np.ndarray:
        """The classifier's picture of it out of its scan: float32 (size, size), 0..1 (ct/section.py)."""
        depth = self.box[0]
        return make_section(volume.hu[depth], volume.spacing, self.mask(volume.shape)[depth], settings)


def find_nodules(probability: np.ndarray, volume: Volume, lungs: np.ndarray, settings: NoduleSettings) -> list[Nodule]:
    """Join what is probably nodule into candidates and measure them.

    A candidate is a set of voxels inside the lungs with at least the threshold's probability, connected through their
    faces, whose equivalent diameter lies within the limits. Its score is the highest mean probability over a cube of
    `score_size_mm` around any of its voxels: a speck or a thin vessel cannot fill the cube, a nodule can.

    Args:
        probability: float32 (z, y, x), 0..1, on the scan's grid.
        volume: the scan.
        lungs: bool (z, y, x), the lung mask.
        settings: threshold, limits of the diameter, how many are kept.

    Returns:
        At most `max_candidates` of them, the highest score first, the larger first among equals.

    Raises:
        ValueError: the arrays differ in shape.
    """
    if not probability.shape == volume.shape == lungs.shape:
        raise ValueError(
            f"Probability {probability.shape}, scan {volume.shape} and lungs {lungs.shape} must have the same shape."
        )
    labels, count = ndimage.label((probability >= settings.threshold) & lungs)
    # slice by slice: counting turns what it counts into 64 bits first
    sizes = np.sum([np.bincount(plane.ravel(), minlength=count + 1) for plane in labels], axis=0)
    nodules = [
        _measure(box, labels[box] == label, probability, lungs, volume, settings)
        for label, box in enumerate(ndimage.find_objects(labels), start=1)
        if settings.min_diameter_mm <= equivalent_diameter(sizes[label] * volume.voxel_mm3) <= settings.max_diameter_mm
    ]
    nodules.sort(key=lambda nodule: (nodule.score, nodule.volume_mm3), reverse=True)
    return nodules[: settings.max_candidates]


def equivalent_diameter(volume_mm3: float) -> float:
    """The diameter in mm of the sphere of that volume in cubic millimetres."""
    return float(np.cbrt(6 * volume_mm3 / np.pi))


def longest_axial_diameter(voxels: np.ndarray, spacing: tuple[float, ...]) -> float:
    """The longest line within an axial slice of a bool (z, y, x) array, in mm.

    It is measured between the centres of the two farthest pixels, and one pixel is added, half for each end.
    """
    pixel = np.array(spacing[2:0:-1])  # (x, y), the order of cv2's points
    longest = 0.0
    for plane in voxels:
        points = cv2.findNonZero(plane.astype(np.uint8))
        if points is not None and len(points) > 1:
            longest = max(longest, float(pdist(cv2.convexHull(points)[:, 0] * pixel).max()))
    return longest + float(pixel.mean())


def _measure(
    box: Box, voxels: np.ndarray, probability: np.ndarray, lungs: np.ndarray, volume: Volume, settings: NoduleSettings
) -> Nodule:
    indices = np.argwhere(voxels)
    start = np.array([side.start for side in box])
    x, y, z = volume.to_world(start + indices.mean(axis=0))
    volume_mm3 = len(indices) * volume.voxel_mm3
    return Nodule(
        centre_mm=(float(x), float(y), float(z)),
        diameter_mm=equivalent_diameter(volume_mm3),
        longest_axial_diameter_mm=longest_axial_diameter(voxels, volume.spacing),
        volume_mm3=volume_mm3,
        mean_hu=float(volume.hu[box][voxels].mean()),
        score=_score(box, voxels, probability, lungs, volume, settings.score_size_mm),
        slice_index=int(start[0] + np.count_nonzero(voxels, axis=(1, 2)).argmax()),
        box=box,
        voxels=voxels,
    )


def _score(
    box: Box, voxels: np.ndarray, probability: np.ndarray, lungs: np.ndarray, volume: Volume, size_mm: float
) -> float:
    half = [max(0, round((size_mm / step - 1) / 2)) for step in volume.spacing]  # odd numbers of voxels
    before = [min(margin, side.start) for side, margin in zip(box, half, strict=True)]
    wide = tuple(
        slice(side.start - back, side.stop + margin) for side, back, margin in zip(box, before, half, strict=True)
    )
    inside = np.where(lungs[wide], probability[wide], np.float32(0))
    means = ndimage.uniform_filter(inside, size=[2 * margin + 1 for margin in half], mode="constant", output=np.float64)
    own = tuple(slice(back, back + side) for back, side in zip(before, voxels.shape, strict=True))
    return float(np.clip(means[own][voxels].max(), 0, 1))
