"""The grid that the segmentation network works on: the lungs of a scan, resampled, alike in training and prediction."""

import math
from dataclasses import dataclass

import numpy as np

from lung_ssp.ct.resampling import mean_weights, resample_axis
from lung_ssp.ct.settings import WorkingGridSettings
from lung_ssp.ct.volume import Box, Volume, bounding_box


@dataclass(frozen=True, eq=False)
class LungSlices:
    """The part of a scan that holds the lungs, on the working grid.

    scan: the slices, HU not clipped; its origin tells where they lie.
    lungs: bool (z, y, x), the lung mask.
    lesions: uint8 (z, y, x), 0 background, 1..n the lesions; all 0 where none are known.
    """

    scan: Volume
    lungs: np.ndarray
    lesions: np.ndarray


def cut_slices(
    volume: Volume, lungs: np.ndarray, settings: WorkingGridSettings, lesions: np.ndarray | None = None
) -> LungSlices:
    """Crop a scan to its lungs and resample it to the working grid.

    HU are interpolated, or averaged where the working grid is coarser; masks take their nearest voxel.

    Args:
        volume: the scan.
        lungs: bool (z, y, x), the lung mask on the scan's own grid; not empty.
        settings: working grid and margin.
        lesions: uint8 (z, y, x) labels on the scan's own grid, where they are known.
    """
    scan = to_working_grid(volume.crop(lung_box(lungs, volume.spacing, settings.margin_mm)), settings)
    first = volume.to_index(np.array(scan.origin))
    nearest = [
        np.clip(np.rint(start + step / spacing * np.arange(count)).astype(int), 0, limit - 1)
        for start, step, spacing, count, limit in zip(
            first, scan.spacing, volume.spacing, scan.shape, volume.shape, strict=True
        )
    ]
    picked = np.ix_(*nearest)
    return LungSlices(
        scan=scan,
        lungs=lungs[picked],
        lesions=np.zeros(scan.shape, np.uint8) if lesions is None else lesions[picked],
    )


def lung_box(lungs: np.ndarray, spacing: tuple[float, float, float], margin_mm: float) -> Box:
    """The smallest box around a mask, widened by a margin in mm as far as the scan goes.

    Raises:
        ValueError: the mask is empty.
    """
    margins = [math.ceil(margin_mm / step) for step in spacing]
    z, y, x = (
        slice(max(0, side.start - margin), min(size, side.stop + margin))
        for side, margin, size in zip(bounding_box(lungs), margins, lungs.shape, strict=True)
    )
    return z, y, x


def to_working_grid(volume: Volume, settings: WorkingGridSettings) -> Volume:
    """The same scan with the voxels of the working grid."""
    z, y, x = settings.spacing_mm
    return volume.with_spacing((z, y, x))


def from_working_grid(values: np.ndarray, grid: Volume, volume: Volume) -> np.ndarray:
    """Interpolate values of the working grid linearly at the voxels of a scan; they fade to 0 beyond the grid.

    Args:
        values: float32 (z, y, x) of the grid's shape.
        grid: the scan on the working grid.
        volume: the scan on its own grid, parallel to it.

    Returns:
        float32 (z, y, x) of the volume's shape.
    """
    first = grid.to_index(np.array(volume.origin))
    for axis in range(3):
        positions = first[axis] + volume.spacing[axis] / grid.spacing[axis] * np.arange(volume.shape[axis])
        values = resample_axis(values, mean_weights(values.shape[axis], positions, width=0), axis)
    return values


def with_neighbours(slices: np.ndarray, index: int, channels: int) -> np.ndarray:
    """A slice between its neighbours, (channels, y, x); beyond the ends of (z, y, x) the last slice is repeated."""
    reach = channels // 2
    indices = np.clip(np.arange(index - reach, index + reach + 1), 0, len(slices) - 1)
    return slices[indices]
