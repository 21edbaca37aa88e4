"""The section of a lesion: the small image that the classifier sees."""

import numpy as np

from lung_ssp.ct.settings import SectionSettings
from lung_ssp.ct.volume import AIR_HU, mean_weights, window

# Weights are multiples of 1 / WEIGHT_STEPS, which moves a mean by hundredths of a HU at most. Their products with whole
# HU, and the sums of these up to 8192 HU, fit into a float64 without rounding: every processor, in whichever order it
# adds them, finds the same.
WEIGHT_STEPS = 2**20


def make_section(
    hu: np.ndarray, spacing: tuple[float, float, float], mask: np.ndarray, settings: SectionSettings
) -> np.ndarray:
    """Cut the section of one lesion out of a scan.

    It is the axial slice in which the lesion's area is largest (the first of equals), centred on the lesion's centroid
    there. Each pixel is the mean HU over its area, with the scan interpolated linearly between voxel centres and air
    outside; then clipped to the window and scaled to 0..1.

    Args:
        hu: (z, y, x) Hounsfield units.
        spacing: (z, y, x) mm.
        mask: bool (z, y, x), the lesion's voxels.
        settings: size in pixels, field in mm, window in HU.

    Returns:
        float32 (size, size), rows along y, columns along x, 0..1.

    Raises:
        ValueError: the mask is empty or has another shape than the scan.
    """
    if mask.shape != hu.shape:
        raise ValueError(f"The lesion's mask has shape {mask.shape}, the scan {hu.shape}: they must be the same.")
    areas = np.count_nonzero(mask, axis=(1, 2))
    widest = int(areas.argmax())
    if areas[widest] == 0:
        raise ValueError("The lesion's mask is empty: there is nothing to cut a section around.")
    rows, columns = np.nonzero(mask[widest])
    excess = _mean_above_air(hu[widest], spacing[1:], (rows.mean(), columns.mean()), settings)
    return window(excess + AIR_HU, settings.window_hu)


def _mean_above_air(
    plane: np.ndarray, spacing: tuple[float, ...], centre: tuple[float, float], settings: SectionSettings
) -> np.ndarray:
    """The mean HU above air over each pixel of the field around `centre` (y, x); beyond the plane it is 0."""
    pixel_mm = settings.field_mm / settings.size
    offsets_mm = (np.arange(settings.size) - (settings.size - 1) / 2) * pixel_mm
    parts, weights = [], []
    for samples, step, middle in zip(plane.shape, spacing, centre, strict=True):
        matrix = mean_weights(samples, middle + offsets_mm / step, pixel_mm / step)
        used = np.flatnonzero(matrix.any(axis=0))
        part = slice(used[0], used[-1] + 1)
        parts.append(part)
        weights.append(np.rint(matrix[:, part].astype(np.float64) * WEIGHT_STEPS) / WEIGHT_STEPS)
    above_air = plane[tuple(parts)].astype(np.float64) - AIR_HU
    return weights[0] @ above_air @ weights[1].T
