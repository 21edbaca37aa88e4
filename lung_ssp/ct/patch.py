"""The 2.5-D patch of a candidate: what the second stage of the detection sees of it."""

from dataclasses import dataclass

import numpy as np

from lung_ssp.ct.lesion import Lesion
from lung_ssp.ct.settings import PatchSettings
from lung_ssp.ct.volume import Volume, mean_weights, resample_axis
from lung_ssp.ct.working_grid import neighbour_indices


@dataclass(frozen=True, eq=False)
class Stack:
    """Axial slices: hu int16 (z, y, x), z_mm float64 (z,) rising, pixel_mm the spacing along (y, x)."""

    hu: np.ndarray
    z_mm: np.ndarray
    pixel_mm: tuple[float, float]

    @classmethod
    def of(cls, volume: Volume) -> "Stack":
        """The slices of a scan."""
        return cls(volume.hu, volume.spacing[0] * np.arange(len(volume.hu)), volume.spacing[1:])


@dataclass(frozen=True)
class Spot:
    """Where a candidate lies in a stack.

    centre: fractional index (z, y, x). first, last: its lowest and its highest slice, as indices.
    """

    centre: tuple[float, float, float]
    first: int
    last: int

    @classmethod
    def of(cls, lesion: Lesion, volume: Volume) -> "Spot":
        """Where a lesion of a scan lies."""
        z, y, x = volume.to_index(np.array(lesion.centre_mm)).tolist()
        return cls((z, y, x), lesion.box[0].start, lesion.box[0].stop - 1)


def cut_patch(stack: Stack, spot: Spot, settings: PatchSettings) -> np.ndarray:
    """Cut out the patch around a candidate.

    Above its highest slice that slice is repeated, and below its lowest likewise: archives of nodules hold no more of
    a nodule than the slices that a reader marked, and the network must not tell an archive from a scan by that. Each
    pixel is the mean over its area, the slices interpolated linearly; beyond a slice's border it is mirrored.

    Returns:
        int16 HU (slices, size, size), rows along y.
    """
    middle = min(max(round(spot.centre[0]), spot.first), spot.last)
    own = stack.z_mm[spot.first : spot.last + 1]
    indices = spot.first + neighbour_indices(own, middle - spot.first, settings.slices, settings.slice_mm)
    offsets_mm = (np.arange(settings.size) - (settings.size - 1) / 2) * settings.pixel_mm
    planes = stack.hu[indices]
    for axis, (centre, step) in enumerate(zip(spot.centre[1:], stack.pixel_mm, strict=True), start=1):
        last = max(1, planes.shape[axis] - 1)
        at = last - np.abs((centre + offsets_mm / step) % (2 * last) - last)  # mirrored at both ends
        weights = mean_weights(planes.shape[axis], at, settings.pixel_mm / step)
        used = np.flatnonzero(weights.any(axis=0))
        part = slice(int(used[0]), int(used[-1]) + 1)
        weights = weights[:, part] / weights.sum(axis=1, keepdims=True)
        planes = planes[:, part] if axis == 1 else planes[:, :, part]
        planes = resample_axis(planes.astype(np.float32), weights.astype(np.float32), axis)
    return np.rint(planes).astype(np.int16)
