"""Lesions of a scan: their voxels, place, size and section; and the candidates that a network finds (paper, Fig. 4)."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy import ndimage
from scipy.spatial.distance import pdist

from lung_ssp.ct.merging import merge_near
from lung_ssp.ct.section import make_section
from lung_ssp.ct.settings import NoduleSettings, SectionSettings
from lung_ssp.ct.volume import Box, Volume, bounding_box


@dataclass(frozen=True, eq=False)
class Lesion:
    """The voxels of one lesion, kept in the smallest box around them, and their measures.

    box: of the scan's voxels, just around the lesion.
    voxels: bool (z, y, x), the shape of the box: which of its voxels belong to the lesion.
    centre_mm: (x, y, z) LPS, the centroid of the voxels.
    volume_mm3: of the voxels.
    longest_axial_diameter_mm: the longest line between two of its pixels in any axial slice, one pixel included.
    """

    box: Box
    voxels: np.ndarray
    centre_mm: tuple[float, float, float]
    volume_mm3: float
    longest_axial_diameter_mm: float

    @property
    def diameter_mm(self) -> float:
        """The diameter of the sphere of equal volume."""
        return equivalent_diameter(self.volume_mm3)

    @property
    def slice_index(self) -> int:
        """The axial slice of its largest area, an index into the scan's z axis; the first of equals."""
        return int(self.box[0].start + np.count_nonzero(self.voxels, axis=(1, 2)).argmax())

    def in_whole_scan(self, part: Box) -> "Lesion":
        """The lesion in the whole scan, where it was found in the part of it that `part` cuts out."""
        z, y, x = (
            slice(side.start + outer.start, side.stop + outer.start) for side, outer in zip(self.box, part, strict=True)
        )
        return replace(self, box=(z, y, x))

    def mask(self, shape: tuple[int, ...]) -> np.ndarray:
        """The lesion as a bool array of the scan's shape (z, y, x)."""
        mask = np.zeros(shape, bool)
        mask[self.box] = self.voxels
        return mask

    def section(self, volume: Volume, settings: SectionSettings) -> np.ndarray:
        """The classifier's image of it out of its scan: float32 (size, size), 0..1 (see `make_section`)."""
        z, (_, rows, columns) = self.slice_index, self.box
        plane = volume.hu[z : z + 1]
        mask = np.zeros(plane.shape, bool)
        mask[0, rows, columns] = self.voxels[z - self.box[0].start]
        return make_section(plane, volume.spacing, mask, settings)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A lesion that a network has found.

    score: 0..1, how sure the network is (see `find_candidates`).
    mean_hu: of the lesion's voxels.
    nodule_probability: 0..1, by a second network that has learned from candidates alone; None where there is none.
    """

    lesion: Lesion
    score: float
    mean_hu: float
    nodule_probability: float | None = None

    def in_whole_scan(self, part: Box) -> "Candidate":
        """The candidate in the whole scan, where it was found in the part of it that `part` cuts out."""
        return replace(self, lesion=self.lesion.in_whole_scan(part))


def measure_lesion(box: Box, voxels: np.ndarray, volume: Volume) -> Lesion:
    """A lesion of a scan from its voxels.

    Args:
        box: of the scan's voxels.
        voxels: bool (z, y, x), the shape of the box, not empty.
    """
    indices = np.argwhere(voxels)
    x, y, z = volume.to_world(np.array([side.start for side in box]) + indices.mean(axis=0))
    return Lesion(
        box=box,
        voxels=voxels,
        centre_mm=(float(x), float(y), float(z)),
        volume_mm3=len(indices) * volume.voxel_mm3,
        longest_axial_diameter_mm=longest_axial_diameter(voxels, volume.spacing),
    )


def lesion_from_mask(mask: np.ndarray, volume: Volume) -> Lesion:
    """The lesion that a bool (z, y, x) mask of the scan's shape marks.

    Raises:
        ValueError: the mask is empty.
    """
    box = bounding_box(mask)
    return measure_lesion(box, mask[box].copy(), volume)  # a copy, so that the whole mask can go


def lesions_of_labels(labels: np.ndarray, volume: Volume) -> list[Lesion]:
    """The lesion of each label 1, 2, ... that occurs in a label volume, integers (z, y, x) of the scan's shape."""
    return [
        measure_lesion(box, labels[box] == label, volume)
        for label, box in enumerate(ndimage.find_objects(labels), start=1)
        if box is not None
    ]


def find_candidates(
    probability: np.ndarray, volume: Volume, lungs: np.ndarray, settings: NoduleSettings
) -> list[Candidate]:
    """Join voxels that are probably nodule into candidates and measure them.

    A candidate is a set of voxels inside the lungs with at least the threshold's probability, connected through their
    faces, whose equivalent diameter lies within the limits; with `merge_mm` several such sets that lie so near to each
    other are one. Its score is the highest mean probability over a cube of
    `score_size_mm` around any of its voxels: a speck or a thin vessel cannot fill the cube, a nodule can.

    Args:
        probability: float32 (z, y, x), 0..1, on the scan's grid.
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
    # slice by slice: bincount copies what it counts to 64 bits first
    sizes = np.sum([np.bincount(plane.ravel(), minlength=count + 1) for plane in labels], axis=0)
    parts = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        diameter = equivalent_diameter(sizes[label] * volume.voxel_mm3)
        if settings.min_diameter_mm <= diameter <= settings.max_diameter_mm:
            parts.append((box, labels[box] == label))
    if settings.merge_mm is not None:
        parts = merge_near(parts, volume.spacing, settings.merge_mm)
    candidates = []
    for box, voxels in parts:
        score = _score(box, voxels, probability, lungs, volume, settings.score_size_mm)
        candidates.append(Candidate(measure_lesion(box, voxels, volume), score, float(volume.hu[box][voxels].mean())))
    candidates.sort(key=lambda candidate: (candidate.score, candidate.lesion.volume_mm3), reverse=True)
    return candidates[: settings.max_candidates]


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
