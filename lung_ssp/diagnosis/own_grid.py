"""The grid in which a scan is stored where it comes from; the volume is a copy of it whose axes are turned."""

from dataclasses import dataclass

import numpy as np

from lung_ssp.ct.volume import Volume


@dataclass(frozen=True, eq=False)
class OwnGrid:
    """The grid of a scan's source: of a DICOM series its planes along their normal, its rows and its columns.

    order: for each of its axes (z, y, x), which axis of the volume it is.
    flips: for each of its axes, whether it runs against the volume's.
    spacing: (z, y, x) mm.
    origin: (x, y, z) mm, LPS, of the centre of its first voxel.
    direction: of its axes, as Volume.direction.
    """

    order: tuple[int, ...]
    flips: tuple[bool, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    def turned(self, array: np.ndarray) -> np.ndarray:
        """An array on the volume's grid (z, y, x) as a view of it on this one."""
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        return array.transpose(self.order)[steps]

    @property
    def normal(self) -> np.ndarray:
        """The direction of its z axis, (x, y, z)."""
        return np.reshape(self.direction, (3, 3))[:, 2]


def own_grid(scan: Volume, stored_direction: tuple[float, ...]) -> OwnGrid:
    """The grid whose axes are nearest to `stored_direction` (as Volume.direction) of those that turning can give."""
    axes = np.reshape(scan.direction, (3, 3))
    along = np.reshape(stored_direction, (3, 3)).T @ axes  # of each stored axis x, y, z along each of the volume's
    nearest = np.abs(along).argmax(axis=1)
    sign = np.where(along[range(3), nearest] < 0, -1, 1)
    order = tuple(int(2 - axis) for axis in nearest[::-1])  # arrays have their axes in the order z, y, x
    flips = tuple(bool(one < 0) for one in sign[::-1])
    first = np.zeros(3)
    first[list(order)] = [scan.shape[axis] - 1 if flip else 0 for axis, flip in zip(order, flips, strict=True)]
    return OwnGrid(
        order,
        flips,
        tuple(scan.spacing[axis] for axis in order),
        tuple(scan.to_world(first).tolist()),
        tuple((axes[:, nearest] * sign).ravel().tolist()),
    )
