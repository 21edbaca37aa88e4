"""Candidates out of a probability volume: connected in 3-D, the most suspicious first (paper section 3, Fig. 4)."""

import numpy as np
from scipy import ndimage

from lung_ssp.ct.lesion import Candidate, equivalent_diameter, measure_lesion
from lung_ssp.ct.settings import NoduleSettings
from lung_ssp.ct.volume import Box, Volume


def find_candidates(
    probability: np.ndarray, volume: Volume, lungs: np.ndarray, settings: NoduleSettings
) -> list[Candidate]:
    """Join voxels that are probably nodule into candidates and measure them.

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
    # slice by slice: bincount copies what it counts to 64 bits first
    sizes = np.sum([np.bincount(plane.ravel(), minlength=count + 1) for plane in labels], axis=0)
    candidates = [
        _measure(box, labels[box] == label, probability, lungs, volume, settings.score_size_mm)
        for label, box in enumerate(ndimage.find_objects(labels), start=1)
        if settings.min_diameter_mm <= equivalent_diameter(sizes[label] * volume.voxel_mm3) <= settings.max_diameter_mm
    ]
    candidates.sort(key=lambda candidate: (candidate.score, candidate.lesion.volume_mm3), reverse=True)
    return candidates[: settings.max_candidates]


def _measure(
    box: Box, voxels: np.ndarray, probability: np.ndarray, lungs: np.ndarray, volume: Volume, score_size_mm: float
) -> Candidate:
    return Candidate(
        lesion=measure_lesion(box, voxels, volume),
        score=_score(box, voxels, probability, lungs, volume, score_size_mm),
        mean_hu=float(volume.hu[box][voxels].mean()),
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
