"""A tilted gantry: each slice is shifted against the last, because the table does not move along their normal."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lung_ssp.ct.geometry import Point, axes_of, depths_of
from lung_ssp.ct.slice_header import SliceHeader
from lung_ssp.ct.volume import AIR_HU
from lung_ssp.errors import SeriesError

LARGEST_TILT = 30  # degrees; gantries do not tilt further
SHIFT_DECIMALS = 3  # of a pixel: what is smaller comes from rounded positions


@dataclass(frozen=True, eq=False)
class TiltCorrection:
    """A straight grid for the slices of a tilted gantry: each slice keeps its plane and is moved within it.

    Its z axis is the normal of the slices, and it is wide enough for all of them: every pixel keeps its true place in
    the patient, and the rest is air.

    origin: (x, y, z) mm, LPS, of the centre of its first pixel.
    shape: (rows, columns).
    offsets: (n, 2) in pixels (rows, columns), where on it the first pixel of each slice lies.
    degrees: between the normal and the direction in which the table moves.
    """

    origin: Point
    shape: tuple[int, int]
    offsets: np.ndarray
    degrees: float

    def place(self, hu: np.ndarray, index: int) -> np.ndarray:
        """Slice `index` (y, x) on this grid, int16, by linear interpolation."""
        whole = np.floor(self.offsets[index]).astype(int)
        canvas = np.full(self.shape, AIR_HU, np.float32)
        canvas[whole[0] : whole[0] + hu.shape[0], whole[1] : whole[1] + hu.shape[1]] = hu
        moved = ndimage.shift(canvas, self.offsets[index] - whole, order=1, mode="constant", cval=AIR_HU)
        return np.rint(moved).astype(np.int16)


def tilt_correction(headers: list[SliceHeader], accepted: bool) -> TiltCorrection | None:
    """The straight grid of sorted slices, or None where the gantry was not tilted.

    Raises:
        SeriesError: a tilt that is not accepted, or slices whose shifts no tilt explains.
    """
    first, axes = headers[0], axes_of(headers[0])
    depths = depths_of(headers) - depths_of(headers)[0]
    positions = np.array([header.position for header in headers])
    sideways = positions - positions[0] - np.outer(depths, axes[:, 2])
    drift = np.linalg.norm(sideways, axis=1)
    allowed = min(first.pixel_spacing) / 2
    if drift.max() <= allowed:
        return None
    worst = headers[int(drift.argmax())]
    where = f"({worst.place} lies {drift.max():.1f} mm beside the first)"
    slope = depths @ sideways / (depths @ depths)
    degrees = float(np.degrees(np.arctan(np.linalg.norm(slope))))
    if np.linalg.norm(sideways - np.outer(depths, slope), axis=1).max() > allowed or degrees > LARGEST_TILT:
        raise SeriesError(
            f"Series {first.series_uid} has shifted slices {where} that no tilted gantry explains: choose another "
            "series.",
            reason="irregular",
        )
    if not accepted:
        raise SeriesError(
            f"Series {first.series_uid} has a tilted gantry, {degrees:.1f} degrees {where}: have it straightened with "
            "--accept tilt, or choose another series.",
            reason="tilt",
        )
    between_rows, between_columns = first.pixel_spacing
    shifts = np.column_stack([sideways @ axes[:, 1] / between_rows, sideways @ axes[:, 0] / between_columns])
    shifts = np.round(shifts, SHIFT_DECIMALS)
    lowest, highest = np.floor(shifts.min(axis=0)), np.ceil(shifts.max(axis=0))
    rows, columns = (np.array(first.shape) + highest - lowest).astype(int)
    x, y, z = positions[0] + lowest[0] * between_rows * axes[:, 1] + lowest[1] * between_columns * axes[:, 0]
    return TiltCorrection((x, y, z), (int(rows), int(columns)), shifts - lowest, degrees)
