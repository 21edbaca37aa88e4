"""Slices that lie at one position: the same slice twice may count once."""

from collections.abc import Callable

import numpy as np

from lung_ssp.ct.geometry import depths_of
from lung_ssp.ct.slice_header import SliceHeader
from lung_ssp.errors import SeriesError

SAME_POSITION_MM = 0.01


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
        where = f"Series {header.series_uid} has two slices at {depth:.2f} mm, {kept[-1].path} and {header.path}"
        if not accepted:
            raise SeriesError(
                f"{where}: remove one, or have identical ones left out with --accept duplicates.", reason="duplicate"
            )
        if not np.array_equal(read(kept[-1]), read(header)):
            raise SeriesError(
                f"{where}, with different pixels: keep the slices of one acquisition and one reconstruction.",
                reason="duplicate",
            )
        kept[-1] = min(kept[-1], header, key=_order)
    return kept


def _order(header: SliceHeader) -> tuple[bool, int, str]:
    return header.instance_number is None, header.instance_number or 0, header.sop_uid
