"""Where slices lie: their common plane, their order, one at each position, and the grid they make."""

from collections.abc import Callable

import numpy as np

from lung_ssp.ct.slice_header import SliceHeader
from lung_ssp.errors import SeriesError

COSINE_TOLERANCE = 1e-3
SPACING_TOLERANCE_MM = 1e-3
SAME_POSITION_MM = 0.01

Point = tuple[float, float, float]


def sort_slices(headers: list[SliceHeader]) -> list[SliceHeader]:
    """Sort slices by position along the normal of their common plane.

    Raises:
        SeriesError: their orientations, sizes or pixel spacings differ, or they are not axial.
    """
    first = headers[0]
    for header in headers[1:]:
        if not np.allclose(header.orientation, first.orientation, atol=COSINE_TOLERANCE):
            raise _mixed(first, header, "orientations", first.orientation, header.orientation)
        if header.shape != first.shape:
            raise _mixed(first, header, "sizes", first.shape, header.shape)
        if not np.allclose(header.pixel_spacing, first.pixel_spacing, atol=SPACING_TOLERANCE_MM):
            raise _mixed(first, header, "pixel spacings", first.pixel_spacing, header.pixel_spacing)
    normal = axes_of(first)[:, 2]
    if np.abs(normal).argmax() != 2:
        raise SeriesError(
            f"Series {first.series_uid} is not axial (normal {_short(normal)}, first slice {first.path}): choose an "
            "axial series.",
            reason="orientation",
        )
    return sorted(headers, key=lambda header: float(normal @ header.position))


def drop_duplicates(
    headers: list[SliceHeader], accepted: bool, read: Callable[[SliceHeader], np.ndarray]
) -> list[SliceHeader]:
    """One slice for each position: of identical ones the first by InstanceNumber.

    Slices at one position with different pixels are never chosen from: they may be two acquisitions or two
    reconstructions, and nothing tells which is meant.

    Args:
        headers: sorted by position.
        accepted: whether identical slices may be left out.
        read: gives the HU (y, x) of a slice.

    Raises:
        SeriesError: two slices at one position, and not accepted or not identical.
    """
    depths = depths_of(headers)
    kept = [headers[0]]
    for header, depth, step in zip(headers[1:], depths[1:], np.diff(depths), strict=True):
        if step >= SAME_POSITION_MM:
            kept.append(header)
            continue
        where = f"Series {header.series_uid} has two slices at {depth:.2f} mm, {kept[-1].place} and {header.place}"
        if not accepted:
            raise SeriesError(
                f"{where}: remove one, or have identical ones left out with --accept duplicates.", reason="duplicate"
            )
        if not np.array_equal(read(kept[-1]), read(header)):
            raise SeriesError(
                f"{where}, with different pixels: keep the slices of one acquisition and one reconstruction.",
                reason="duplicate",
            )
        kept[-1] = min(
            kept[-1], header, key=lambda one: (one.instance_number is None, one.instance_number or 0, one.sop_uid)
        )
    return kept


def stack_geometry(headers: list[SliceHeader], planes: np.ndarray) -> tuple[Point, Point, tuple[float, ...]]:
    """The grid of sorted slices: origin (x, y, z) mm, spacing (z, y, x) mm, direction (3x3, row by row).

    Args:
        headers: sorted by position, one for each position.
        planes: the number of each slice's plane, from 0, ascending.
    """
    depths = depths_of(headers)
    between_rows, between_columns = headers[0].pixel_spacing
    step = float(depths[-1] - depths[0]) / int(planes[-1])
    x, y, z = headers[0].position
    return (x, y, z), (step, between_rows, between_columns), tuple(axes_of(headers[0]).ravel().tolist())


def depths_of(headers: list[SliceHeader]) -> np.ndarray:
    """The position of each slice along the normal of the first, (n,) in mm."""
    return np.array([header.position for header in headers]) @ axes_of(headers[0])[:, 2]


def axes_of(header: SliceHeader) -> np.ndarray:
    """3x3, its columns the directions along a row, along a column, and their normal.

    Raises:
        SeriesError: the first two are not perpendicular unit vectors.
    """
    row, column = np.array(header.orientation[:3]), np.array(header.orientation[3:])
    if not np.allclose([row @ row, column @ column, row @ column], [1, 1, 0], atol=COSINE_TOLERANCE):
        raise SeriesError(
            f"{header.path} (series {header.series_uid}) has an impossible ImageOrientationPatient "
            f"{_short(header.orientation)}: export the series again.",
            reason="orientation",
        )
    return np.column_stack([row, column, np.cross(row, column)])


def _mixed(first: SliceHeader, other: SliceHeader, what: str, one: object, two: object) -> SeriesError:
    return SeriesError(
        f"Series {first.series_uid} mixes {what}: {first.place} has {_short(one)}, {other.place} has {_short(two)}; "
        "keep the slices of one reconstruction.",
        reason="mixed",
    )


def _short(numbers: object) -> str:
    return "(" + ", ".join(f"{number:.4g}" for number in np.ravel(np.asarray(numbers, dtype=float))) + ")"
