"""Whether slices make one regular stack, and which."""

import numpy as np

from lung_ssp.ct.slice_header import SliceHeader
from lung_ssp.errors import SeriesError

SAME_POSITION_MM = 0.01
COSINE_TOLERANCE = 1e-3
SPACING_TOLERANCE_MM = 1e-3
REGULAR_SHARE = 0.1  # how far a step may be from the usual one, as a share of it
REGULAR_MM = 0.15  # but this at least: positions are often rounded to 0.1 mm

Point = tuple[float, float, float]


def sort_slices(headers: list[SliceHeader]) -> list[SliceHeader]:
    """Sort slices by position along the normal of their common plane.

    Raises:
        SeriesError: their orientations, sizes or pixel spacings differ, or they are not axial.
    """
    first = headers[0]
    for header in headers[1:]:
        if not np.allclose(header.orientation, first.orientation, atol=COSINE_TOLERANCE):
            raise SeriesError(_mixed(first, header, "orientations", first.orientation, header.orientation))
        if header.shape != first.shape:
            raise SeriesError(_mixed(first, header, "sizes", first.shape, header.shape))
        if not np.allclose(header.pixel_spacing, first.pixel_spacing, atol=SPACING_TOLERANCE_MM):
            raise SeriesError(_mixed(first, header, "pixel spacings", first.pixel_spacing, header.pixel_spacing))
    normal = _axes(first)[:, 2]
    if np.abs(normal).argmax() != 2:
        raise SeriesError(
            f"Series {first.series_uid} is not axial (normal {_short(normal)}, first slice {first.path}): choose an "
            "axial series."
        )
    return sorted(headers, key=lambda header: float(normal @ header.position))


def stack_geometry(headers: list[SliceHeader]) -> tuple[Point, Point, tuple[float, ...]]:
    """The grid of sorted slices: origin (x, y, z) mm, spacing (z, y, x) mm, direction (3x3, row by row).

    Raises:
        SeriesError: duplicate, missing or irregularly spaced slices, or a tilted gantry.
    """
    first, axes = headers[0], _axes(headers[0])
    positions = np.array([header.position for header in headers])
    depths = positions @ axes[:, 2]
    _check_steps(headers, depths)
    sideways = positions - positions[0] - np.outer(depths - depths[0], axes[:, 2])
    drift = np.linalg.norm(sideways, axis=1)
    if drift.max() > min(first.pixel_spacing) / 2:
        worst = headers[int(drift.argmax())]
        raise SeriesError(
            f"Series {first.series_uid} has a tilted gantry or shifted slices ({worst.path} lies {drift.max():.1f} mm "
            "beside the first): correct the tilt first, or choose another series."
        )
    between_rows, between_columns = first.pixel_spacing
    step = float(depths[-1] - depths[0]) / (len(headers) - 1)
    x, y, z = first.position
    return (x, y, z), (step, between_rows, between_columns), tuple(axes.ravel().tolist())


def _check_steps(headers: list[SliceHeader], depths: np.ndarray) -> None:
    series, steps = headers[0].series_uid, np.diff(depths)
    for before, after, depth, step in zip(headers, headers[1:], depths, steps, strict=False):
        if step < SAME_POSITION_MM:
            raise SeriesError(
                f"Series {series} has two slices at {depth:.2f} mm, {before.path} and {after.path}: remove one."
            )
    usual = float(np.median(steps))
    for before, after, step in zip(headers, headers[1:], steps, strict=False):
        if step > 1.5 * usual:
            raise SeriesError(
                f"Series {series} lacks {max(1, round(step / usual) - 1)} slice(s) between {before.path} and "
                f"{after.path}, which are {step:.2f} mm apart instead of {usual:.2f}: copy the series again in full."
            )
        if abs(step - usual) > max(REGULAR_SHARE * usual, REGULAR_MM):
            raise SeriesError(
                f"Series {series} is irregular: {before.path} and {after.path} are {step:.2f} mm apart, others "
                f"{usual:.2f}: choose a regular series, or resample it first."
            )


def _axes(header: SliceHeader) -> np.ndarray:
    """3x3, its columns the directions along a row, along a column, and their normal.

    Raises:
        SeriesError: the first two are not perpendicular unit vectors.
    """
    row, column = np.array(header.orientation[:3]), np.array(header.orientation[3:])
    if not np.allclose([row @ row, column @ column, row @ column], [1, 1, 0], atol=COSINE_TOLERANCE):
        raise SeriesError(
            f"{header.path} (series {header.series_uid}) has an impossible ImageOrientationPatient "
            f"{_short(header.orientation)}: export the series again."
        )
    return np.column_stack([row, column, np.cross(row, column)])


def _mixed(first: SliceHeader, other: SliceHeader, what: str, one: object, two: object) -> str:
    return (
        f"Series {first.series_uid} mixes {what}: {first.path} has {_short(one)}, {other.path} has {_short(two)}; "
        "keep the slices of one reconstruction."
    )


def _short(numbers: object) -> str:
    return "(" + ", ".join(f"{number:.4g}" for number in np.ravel(np.asarray(numbers, dtype=float))) + ")"
