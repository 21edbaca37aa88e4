"""The grid that the segmentation network works on: the lungs of a scan, resampled, alike in training and prediction."""

import math
from dataclasses import dataclass

import numpy as np

from lung_ssp.ct.settings import WorkingGridSettings
from lung_ssp.ct.volume import Box, Volume, bounding_box, mean_weights, resample_axis, window

PlaneBox = tuple[slice, slice]  # of pixels, along (y, x)
NOT_COUNTED = 255  # label of lesions where it is not known what is there


@dataclass(frozen=True, eq=False)
class LungSlices:
    """The part of a scan that holds the lungs, on the working grid.

    scan: the slices, HU not clipped; its origin tells where they lie.
    lungs: bool (z, y, x), the lung mask.
    lesions: uint8 (z, y, x), 0 background, 1..n the lesions, NOT_COUNTED where it is not known what is there; all 0
        where none are known.
    """

    scan: Volume
    lungs: np.ndarray
    lesions: np.ndarray


@dataclass(frozen=True, eq=False)
class WorkingGrid:
    """A scan cropped to its lungs, what the network sees of it, and the way back to the scan's voxels.

    box: the crop, of the scan's voxels.
    part: the crop of the scan, on its own grid.
    slices: float32 (z, y, x), the same part on the working grid, its HU clipped to the window and scaled to 0..1.
    positions: by axis (z, y, x), where the voxels of `part` lie on the working grid, as fractional indices.
    """

    box: Box
    part: Volume
    slices: np.ndarray
    positions: tuple[np.ndarray, ...]

    def to_part(self, values: np.ndarray) -> np.ndarray:
        """Interpolate float32 values of the shape of `slices` linearly to that of `part`; 0 is beyond the grid."""
        for axis, positions in enumerate(self.positions):
            values = resample_axis(values, mean_weights(values.shape[axis], positions, width=0), axis)
        return values

    def places_of(self, mask: np.ndarray) -> list[PlaneBox | None]:
        """Of each slice, the smallest part from which `to_part` interpolates inside a mask; None where it does nowhere.

        Args:
            mask: bool (z, y, x), of the shape of `part`.
        """
        low, high = (
            [
                np.clip(rounded(positions).astype(int), 0, size - 1)
                for positions, size in zip(self.positions, self.slices.shape, strict=True)
            ]
            for rounded in (np.floor, np.ceil)
        )
        rows, columns = mask.any(axis=2), mask.any(axis=1)  # of each slice of the mask, which of them hold some of it
        found: list[list[tuple[int, int, int, int]]] = [[] for _ in self.slices]
        for plane in np.flatnonzero(rows.any(axis=1)):
            (first_row, last_row), (first, last) = (np.flatnonzero(side[plane])[[0, -1]] for side in (rows, columns))
            rectangle = low[1][first_row], low[2][first], high[1][last_row] + 1, high[2][last] + 1
            for index in {low[0][plane], high[0][plane]}:
                found[index].append(rectangle)
        places: list[PlaneBox | None] = []
        for rectangles in found:
            if not rectangles:
                places.append(None)
                continue
            starts, stops = np.min(rectangles, axis=0).tolist(), np.max(rectangles, axis=0).tolist()
            places.append((slice(starts[0], stops[2]), slice(starts[1], stops[3])))
        return places


def inference_grid(volume: Volume, lungs: np.ndarray, settings: WorkingGridSettings) -> WorkingGrid:
    """Crop a scan to its lungs and bring it to the working grid, for a prediction.

    Args:
        lungs: bool (z, y, x), the lung mask on the scan's own grid; not empty.
        settings: working grid, margin and window.
    """
    box = lung_box(lungs, volume.spacing, settings.margin_mm)
    part = volume.crop(box)
    grid = part.with_spacing(settings.spacing_mm)
    first = grid.to_index(np.array(part.origin))
    positions = tuple(
        start + step / spacing * np.arange(count)
        for start, step, spacing, count in zip(first, part.spacing, grid.spacing, part.shape, strict=True)
    )
    return WorkingGrid(box, part, window(grid.hu, settings.window_hu), positions)


def training_slices(
    volume: Volume, lungs: np.ndarray, settings: WorkingGridSettings, lesions: np.ndarray | None = None
) -> LungSlices:
    """Crop a scan and its masks to the lungs and bring them to the working grid, for training.

    HU are interpolated, or averaged where the working grid is coarser; masks take their nearest voxel.

    Args:
        lungs: bool (z, y, x), the lung mask on the scan's own grid; not empty.
        settings: working grid and margin.
        lesions: uint8 (z, y, x) labels on the scan's own grid, where they are known.
    """
    box = lung_box(lungs, volume.spacing, settings.margin_mm)
    scan = volume.crop(box).with_spacing(settings.spacing_mm, np.float64)
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


def with_neighbours(slices: np.ndarray, index: int, channels: int) -> np.ndarray:
    """A slice between its neighbours, (channels, y, x); beyond the ends of (z, y, x) the last slice is repeated."""
    reach = channels // 2
    indices = np.clip(np.arange(index - reach, index + reach + 1), 0, len(slices) - 1)
    return slices[indices]


def neighbour_indices(z_mm: np.ndarray, index: int, channels: int, step_mm: float) -> np.ndarray:
    """A slice between its neighbours where slices lie at any distance: those nearest to whole steps away from it.

    Beyond the ends the last slice is repeated; of two that are as near, the one closer to the slice is taken.

    Args:
        z_mm: (z,), where the slices lie, rising.
        channels: odd, how many slices are asked for.

    Returns:
        int64 (channels,), rising.
    """
    reach = channels // 2
    up = [index + int(np.abs(z_mm[index:] - z_mm[index] - n * step_mm).argmin()) for n in range(1, reach + 1)]
    down = [index - int(np.abs(z_mm[index::-1] - z_mm[index] + n * step_mm).argmin()) for n in range(1, reach + 1)]
    return np.array([*down[::-1], index, *up])


def in_plane(settings: WorkingGridSettings, spacing: tuple[float, float, float]) -> WorkingGridSettings:
    """The working grid in the plane alone, for slices of `spacing` (z, y, x) mm that stay where they are."""
    return settings.model_copy(update={"spacing_mm": [spacing[0], *settings.spacing_mm[1:]]})
