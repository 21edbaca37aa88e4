"""From the pixels of a stored image to the voxels of a volume, whose axes may be turned against it, by coordinates."""

from dataclasses import dataclass

import numpy as np

from lung_ssp.ct.series import SliceReference
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CohortError

LARGEST_DRIFT = 0.25  # in voxels, from one edge of a plane to the other, by rounded spacings and directions


@dataclass(frozen=True)
class Plane:
    """Where the pixels of an image lie in the patient.

    position: (x, y, z) mm, LPS, the centre of the first pixel (ImagePositionPatient).
    orientation: directions of a row and of a column (ImageOrientationPatient).
    pixel_spacing: (between rows, between columns) in mm (PixelSpacing).
    shape: (rows, columns).
    """

    position: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    shape: tuple[int, int]

    def fits(self, volume: Volume) -> bool:
        """Whether its pixels are as large as the volume's voxels and its edges parallel to theirs."""
        _, steps = self._in_voxels(volume)
        whole = np.rint(steps)
        drift = np.abs(steps - whole) * self.shape
        return bool(drift.max() < LARGEST_DRIFT and not whole[0].any() and (np.abs(whole[1:]).sum(axis=0) == 1).all())

    def depth(self, volume: Volume) -> float:
        """The place of its centre along the volume's z axis, in voxels."""
        corner, steps = self._in_voxels(volume)
        return float(corner[0] + steps[0] @ self._centre())

    def to_voxels(self, pixels: np.ndarray, volume: Volume) -> np.ndarray:
        """The voxels of a volume that it fits nearest to some of its pixels; both int (2, n), rows (y) and columns (x).

        A plane that lies a part of a pixel beside the voxels is moved as a whole, so that no two pixels meet.
        """
        corner, steps = self._in_voxels(volume)
        whole = np.rint(steps)
        first = np.rint(corner + (steps - whole) @ self._centre())
        voxels: np.ndarray = (whole[1:] @ pixels + first[1:, None]).astype(np.intp)
        return voxels

    def to_world(self, pixels: np.ndarray) -> np.ndarray:
        """The places of pixels, int (n, 2) as (column, row), in the patient: float (n, 3), LPS mm."""
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        between_rows, between_columns = self.pixel_spacing
        columns, rows = pixels[:, :1], pixels[:, 1:]
        places: np.ndarray = np.array(self.position) + columns * between_columns * row + rows * between_rows * column
        return places

    def _in_voxels(self, volume: Volume) -> tuple[np.ndarray, np.ndarray]:
        """In (z, y, x) voxels: the first pixel (3,), the steps to the next row and to the next column (3, 2)."""
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        position = np.array(self.position)
        along = [position + column * self.pixel_spacing[0], position + row * self.pixel_spacing[1]]
        corner = volume.to_index(position)
        return corner, np.stack([volume.to_index(point) - corner for point in along], axis=1)

    def _centre(self) -> np.ndarray:
        return (np.array(self.shape) - 1) / 2


def stored_plane(reference: SliceReference) -> Plane:
    """The plane of a slice as its file stores it.

    Raises:
        CohortError: the slice has no file.
    """
    header = reference.header
    if header is None:
        raise CohortError(f"The slice {reference.sop_uid} has no DICOM file: read the series from its files.")
    return Plane(header.position, header.orientation, header.pixel_spacing, header.shape)


def slice_voxels(pixels: np.ndarray, plane: Plane, volume: Volume, what: str) -> np.ndarray:
    """The voxels nearest to the pixels that are set in an image, int (2, n): rows (y) and columns (x).

    Args:
        pixels: bool (rows, columns).
        what: whose pixels they are, for the message.

    Raises:
        CohortError: some lie outside the volume, or the plane is not one of the volume's.
    """
    if not plane.fits(volume):
        raise CohortError(f"{what} lies on pixels that are none of the series {volume.series_uid}: check its geometry.")
    voxels = plane.to_voxels(np.array(np.nonzero(pixels)), volume)
    if (voxels < 0).any() or (voxels >= np.array(volume.shape[1:])[:, None]).any():
        raise CohortError(f"{what} lies partly outside the series {volume.series_uid}: check which series it is of.")
    return voxels
