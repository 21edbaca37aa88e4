"""Missing slices of a series: which ones they are, and their interpolation from the neighbours."""

from collections import Counter
from itertools import pairwise

import numpy as np

from lung_ssp.ct.geometry import depths_of
from lung_ssp.ct.settings import GapSettings
from lung_ssp.ct.slice_header import SliceHeader
from lung_ssp.errors import SeriesError

REGULAR_SHARE = 0.1  # how far a step may be from the usual one, as a share of it
LARGEST_SHIFT_MM = 1.0  # of a slice from its place in an even stack
REGULAR_MM = 0.15  # but this at least: positions are often rounded to 0.1 mm


def number_planes(headers: list[SliceHeader], accepted: GapSettings | None) -> np.ndarray:
    """Number the slices of a stack of evenly spaced planes: 0, 1, 2, 4 where the slice of plane 3 is missing.

    Args:
        headers: sorted by position, one for each position.
        accepted: which gaps are filled, or None where a gap is an error.

    Raises:
        SeriesError: irregular steps, or gaps that are not accepted.
    """
    series, steps = headers[0].series_uid, np.diff(depths_of(headers))
    usual = float(np.median(steps))
    tolerance = max(REGULAR_SHARE * usual, REGULAR_MM)
    planes = [0]
    for before, after, step in zip(headers, headers[1:], steps, strict=False):
        pair = f"{before.place} and {after.place}"
        gap = step > 1.5 * usual
        missing = max(1, round(step / usual) - 1) if gap else 0
        if gap and (accepted is None or missing > accepted.longest):
            advice = (
                "copy the series again in full, or have small gaps filled with --accept gaps."
                if accepted is None
                else f"copy the series again in full, at most {accepted.longest} in a row are filled."
            )
            raise SeriesError(
                f"Series {series} lacks {missing} slice(s) between {pair}, which are {step:.2f} mm apart instead of "
                f"{usual:.2f}: {advice}",
                reason="gap",
            )
        if abs(step - (missing + 1) * usual) > tolerance:
            raise SeriesError(
                f"Series {series} is irregular: {pair} are {step:.2f} mm apart, others {usual:.2f}: choose a regular "
                "series, or resample it first.",
                reason="irregular",
            )
        planes.append(planes[-1] + 1 + missing)
    _require_even(headers, np.array(planes))
    total, missing = planes[-1] + 1, planes[-1] + 1 - len(headers)
    if accepted is not None and missing > accepted.largest_share * total:
        raise SeriesError(
            f"Series {series} lacks {missing} of {total} slices, at most {accepted.largest_share:.0%} are filled: copy "
            "the series again in full.",
            reason="gap",
        )
    return np.array(planes)


def _require_even(headers: list[SliceHeader], planes: np.ndarray) -> None:
    """Small differences of the steps may add up: parts with two spacings, one above the other, are no one grid.

    Raises:
        SeriesError: a slice lies further than half a step, or 1 mm, from its plane.
    """
    depths = depths_of(headers)
    step = (depths[-1] - depths[0]) / planes[-1]
    beside = np.abs(depths - depths[0] - planes * step)
    if beside.max() > max(min(step / 2, LARGEST_SHIFT_MM), REGULAR_MM):
        raise SeriesError(
            f"Series {headers[0].series_uid} is irregular: the slices are {np.diff(depths).min():.2f} to "
            f"{(np.diff(depths) / np.diff(planes)).max():.2f} mm apart, and {headers[int(beside.argmax())].path} lies "
            f"{beside.max():.1f} mm from its place in an even stack: choose a regular series, or resample it first.",
            reason="irregular",
        )


def fill_gaps(hu: np.ndarray, planes: np.ndarray) -> list[str]:
    """Fill the missing slices of int16 `hu` (z, y, x), in place, by linear interpolation between their neighbours.

    Args:
        hu: the stack, read where `planes` says.
        planes: the numbers of the slices that were read, ascending.

    Returns:
        the corrections in sentences; none where nothing was missing.
    """
    gaps = [(before, after) for before, after in pairwise(planes) if after > before + 1]
    for before, after in gaps:
        below, above = hu[before].astype(np.float32), hu[after].astype(np.float32)
        for plane in range(before + 1, after):
            hu[plane] = np.rint(below + (plane - before) / (after - before) * (above - below))
    sizes = Counter(int(after - before) - 1 for before, after in gaps)
    return [
        f"{count} gap{'s' * (count > 1)} of {size} slice{'s' * (size > 1)} filled by interpolation"
        for size, count in sorted(sizes.items())
    ]
