"""A CT scan in memory: Hounsfield units with their place in the patient, resampled and scaled to 0..1."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

AIR_HU = -1000
Box = tuple[slice, slice, slice]  # of voxels, along (z, y, x)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Volume:
    """One CT scan.

    hu: int16 (z, y, x), Hounsfield units.
    spacing: (z, y, x), distance between voxel centres in mm.
    origin: (x, y, z), the centre of voxel (0, 0, 0) in mm, patient coordinates as in DICOM (LPS: left, posterior,
        superior).
    direction: the nine numbers of a 3x3 matrix, row by row, whose columns are the directions of the x, y and z axis of
        the array in patient coordinates (as SimpleITK's GetDirection).
    series_uid: SeriesInstanceUID (0020,000E), empty where the scan came from elsewhere.
    """

    hu: np.ndarray
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = AXIAL
    series_uid: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """The number of voxels along (z, y, x)."""
        depth, height, width = self.hu.shape
        return depth, height, width

    @property
    def voxel_mm3(self) -> float:
        """The volume of one voxel in cubic millimetres."""
        return float(np.prod(self.spacing))

    def to_world(self, index: np.ndarray) -> np.ndarray:
        """Voxel indices (..., 3) in (z, y, x), fractions allowed, to LPS millimetres (..., 3) in (x, y, z)."""
        along_axes = (np.asarray(index, dtype=float) * self.spacing)[..., ::-1]
        return along_axes @ np.reshape(self.direction, (3, 3)).T + self.origin

    def to_index(self, point: np.ndarray) -> np.ndarray:
        """LPS millimetres (..., 3) in (x, y, z) to fractional voxel indices (..., 3) in (z, y, x)."""
        along_axes = (np.asarray(point, dtype=float) - self.origin) @ np.linalg.inv(
            np.reshape(self.direction, (3, 3))
        ).T
        return along_axes[..., ::-1] / self.spacing

    def with_spacing(self, spacing: Sequence[float], dtype: type[np.floating] = np.float32) -> "Volume":
        """The same scan with voxels of `spacing` (z, y, x) mm, on a grid with the same centre.

        Linear interpolation where the new voxels are smaller; where they are larger, the mean of the interpolated scan
        over the surplus of their width, so that nothing aliases. Beyond the border the outermost voxels go on.

        Args:
            spacing: (z, y, x) mm.
            dtype: of the sums. In float32 their order, which depends on the processor, moves one voxel in 100,000 by
                one HU. In float64 the HU are the same on every processor; it takes twice as long.
        """
        factors = np.divide(spacing, self.spacing)
        shape = np.maximum(1, np.rint(self.shape / factors)).astype(int)
        first = (np.array(self.shape) - 1) / 2 - (shape - 1) / 2 * factors
        hu = self.hu.astype(dtype)
        for axis in np.flatnonzero(factors != 1):
            centres = first[axis] + factors[axis] * np.arange(shape[axis])
            weights = mean_weights(self.shape[axis], centres, width=max(0.0, factors[axis] - 1))
            hu = resample_axis(hu, (weights / weights.sum(axis=1, keepdims=True)).astype(dtype), axis)
        if dtype == np.float64:
            hu = np.rint(hu * 2**16) / 2**16  # a half is a half again, whatever the order of the sums
        return replace(
            self,
            hu=np.rint(hu).astype(np.int16),
            spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
            origin=_as_point(self.to_world(first)),
        )

    def crop(self, box: Box) -> "Volume":
        """The part inside `box`, whose starts are not negative; its voxels keep their place in the patient."""
        start = [part.start or 0 for part in box]
        return replace(self, hu=self.hu[box], origin=_as_point(self.to_world(np.array(start))))

    def to_image(self) -> sitk.Image:
        """As a SimpleITK image, 16-bit signed."""
        image = sitk.GetImageFromArray(self.hu)
        image.SetSpacing(self.spacing[::-1])
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image

    @classmethod
    def from_image(cls, image: sitk.Image, series_uid: str = "", hu: np.ndarray | None = None) -> "Volume":
        """From a three-dimensional SimpleITK image in HU; fractions are rounded to whole HU.

        Args:
            hu: what stands for the image's values, (z, y, x); None: they themselves.
        """
        hu = sitk.GetArrayFromImage(image) if hu is None else hu
        x, y, z = image.GetSpacing()
        return cls(
            hu=hu if hu.dtype == np.int16 else np.rint(hu).astype(np.int16),
            spacing=(z, y, x),
            origin=_as_point(image.GetOrigin()),
            direction=tuple(image.GetDirection()),
            series_uid=series_uid,
        )


def bounding_box(mask: np.ndarray) -> Box:
    """The smallest box around a bool (z, y, x) mask.

    Raises:
        ValueError: the mask is empty.
    """
    box: list[slice] = []
    for axis in range(3):
        # only within what the axes before have left
        part = mask[tuple(box)]
        others = tuple(other for other in range(3) if other != axis)
        occupied = np.flatnonzero(part.any(axis=others))
        if not occupied.size:
            raise ValueError("The mask is empty: no box lies around it.")
        box.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    z, y, x = box
    return z, y, x


def window(hu: np.ndarray, window_hu: Sequence[float]) -> np.ndarray:
    """Scale HU so that the window (low, high) becomes 0..1, and clip beyond it; float32, any shape."""
    low, high = window_hu
    return np.clip((hu - low) / (high - low), 0, 1).astype(np.float32)


def mean_weights(samples: int, centres: np.ndarray, width: float) -> np.ndarray:
    """How much each sample counts in the mean over each interval of the signal interpolated linearly between them.

    Sample i lies at coordinate i and stands for the hat function that is 1 there and 0 from its neighbours on; its
    weight is the mean of that hat over the interval. Inside the signal the weights of an interval sum to 1; what is
    missing from 1 lies beyond the ends.

    Args:
        samples: number of samples of the signal.
        centres: (n,) centres of the intervals, in sample coordinates.
        width: their common width, in samples; 0 means interpolation at the centres.

    Returns:
        float32 (n, samples).
    """
    distance = np.asarray(centres, dtype=float)[:, None] - np.arange(samples)
    if width == 0:
        return np.clip(1 - np.abs(distance), 0, None).astype(np.float32)
    weights = (_hat_integral(distance + width / 2) - _hat_integral(distance - width / 2)) / width
    return weights.astype(np.float32)


def resample_axis(volume: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Replace one axis of a (z, y, x) array by the weighted sums of its samples; `weights` is (new, old)."""
    if axis == 0:
        return (weights @ volume.reshape(len(volume), -1)).reshape(-1, *volume.shape[1:])
    return weights @ volume if axis == 1 else volume @ weights.T


def _hat_integral(position: np.ndarray) -> np.ndarray:
    """The integral, from minus infinity to `position`, of the hat function of height 1 and base [-1, 1]."""
    position = np.clip(position, -1, 1)
    return 0.5 + position - position * np.abs(position) / 2


def _as_point(values: np.ndarray | tuple[float, ...]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
