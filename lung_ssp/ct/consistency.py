"""Whether the slices of a series belong together: one kernel, one acquisition, one scale of HU."""

from collections import Counter
from itertools import pairwise

import numpy as np

from lung_ssp.ct.slice_header import SliceHeader
from lung_ssp.errors import SeriesError

FEWEST_PARTS, MOST_PARTS = 2, 4  # acquisitions in a series; more are the rotations, or the slices, of a single one
ALTERNATING = 3  # changes from slice to slice for each acquisition; a single odd slice makes two
SAMPLED_COLUMNS = 128  # about as many columns and rows are compared
UNLIKELY = 0.05  # by how much neighbours may differ more than slices two apart, by chance
ASCENDING = ("AcquisitionDateTime", "AcquisitionTime", "FrameAcquisitionDateTime")  # from slice to slice, in one scan
NOTICEABLE_HU = 20.0  # on the mean over a slice: neighbouring slices with the same scale differ less from one another


def require_one_kernel(headers: list[SliceHeader]) -> None:
    """A series that holds two reconstructions would alternate between a smooth and a sharp one.

    Raises:
        SeriesError: it holds several.
    """
    kernels = Counter(header.kernel for header in headers if header.kernel)
    if len(kernels) > 1:
        counts = ", ".join(f"{kernel} ({count} slices)" for kernel, count in sorted(kernels.items()))
        raise SeriesError(
            f"Series {headers[0].series_uid} mixes reconstructions with {len(kernels)} kernels: {counts}; keep the "
            "slices of one.",
            reason="mixed",
        )


def require_one_frame_of_reference(headers: list[SliceHeader]) -> None:
    """Positions can be compared within one frame of reference only (FrameOfReferenceUID, PS3.3 C.7.4.1.1.1).

    Raises:
        SeriesError: there are several.
    """
    first = next((header for header in headers if header.frame_of_reference), headers[0])
    for header in headers:
        if header.frame_of_reference not in ("", first.frame_of_reference):
            raise SeriesError(
                f"Series {first.series_uid} mixes frames of reference, in which positions cannot be compared: "
                f"{first.path} has {first.frame_of_reference}, {header.path} has {header.frame_of_reference}; keep the "
                "slices of one.",
                reason="mixed",
            )


def require_one_acquisition(headers: list[SliceHeader]) -> list[str]:
    """Two acquisitions whose slices alternate show the patient at two moments, and look like one finer scan.

    Acquisitions one above the other, such as the rotations of an axial scan, are one scan.

    Args:
        headers: sorted by position.

    Returns:
        a remark in a sentence where the series is made of a few parts.

    Raises:
        SeriesError: acquisitions alternate.
    """
    remarks = []
    for tag in dict(headers[0].acquisition):
        values = [_as_number(dict(header.acquisition).get(tag, "")) for header in headers]
        distinct = len(set(values))
        changes = sum(one != other for one, other in pairwise(values))
        if FEWEST_PARTS <= distinct <= MOST_PARTS and changes >= ALTERNATING * distinct:
            raise _alternating(headers, tag, f"{distinct} acquisitions")
        if tag in ASCENDING and _turn_about(values):
            raise _alternating(headers, tag, "several acquisitions")
        if FEWEST_PARTS <= distinct <= MOST_PARTS and changes == distinct - 1 and "" not in values:
            remarks.append(f"{distinct} acquisitions one above the other make up the scan ({tag})")
    if _turn_about(["" if one.instance_number is None else float(one.instance_number) for one in headers]):
        raise _alternating(headers, "InstanceNumber", "several acquisitions")
    return remarks[:1]


def _turn_about(values: list[float | str]) -> bool:
    """Whether numbers, such as times, of sorted slices come from several ranges in turn: 1, 13, 2, 14, 3, 15."""
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) < len(values):
        return False
    for turns in range(FEWEST_PARTS, MOST_PARTS + 1):
        ranges = sorted((min(numbers[turn::turns]), max(numbers[turn::turns])) for turn in range(turns))
        if all(below[1] < above[0] for below, above in pairwise(ranges)):
            return True
    return False


def _alternating(headers: list[SliceHeader], tag: str, what: str) -> SeriesError:
    return SeriesError(
        f"Series {headers[0].series_uid} mixes the slices of {what} ({tag} changes to and fro from slice to slice, "
        f"first at {headers[1].place}): keep the slices of one.",
        reason="mixed",
    )


def _as_number(text: str) -> float | str:
    """A number, however it is written ("120" and "120.0" are one voltage); a text that is none."""
    try:
        return float(text)
    except ValueError:
        return text


def alternation_remark(hu: np.ndarray) -> list[str]:
    """A remark where slices resemble those two apart more than their neighbours, as where two acquisitions alternate.

    In thirteen real and synthetic series neighbours differed by 0.57 to 0.82 of what slices two apart do; noise alone
    would give 1.

    Args:
        hu: int16 (z, y, x).
    """
    stride = max(1, hu.shape[2] // SAMPLED_COLUMNS)
    sampled = hu[:, ::stride, ::stride].astype(np.int32)
    next_one, second_next = (np.abs(sampled[step:] - sampled[:-step]).mean() for step in (1, 2))
    if next_one <= (1 + UNLIKELY) * second_next:
        return []
    return [
        "neighbouring slices differ more than slices two apart do, two acquisitions may alternate: look at the images"
    ]


def check_scales(headers: list[SliceHeader], planes: np.ndarray, hu: np.ndarray) -> None:
    """Refuse a slice whose slope and intercept differ from the other slices' without reason.

    A scanner may store each slice with its own scale; the HU then go on from slice to slice. Where they do not, but
    would with the scale of the others, the slice's own scale is wrong.

    Args:
        headers: sorted by position; planes: where in `hu` each one is.
        hu: int16 (z, y, x).

    Raises:
        SeriesError: naming the slice.
    """
    scales = [(header.pixels.slope, header.pixels.intercept) for header in headers if header.pixels is not None]
    (slope, intercept), count = Counter(scales).most_common(1)[0]
    if count == len(headers) or 2 * count <= len(headers):
        return
    alike = [scale == (slope, intercept) for scale in scales]
    for index, (own_slope, own_intercept) in enumerate(scales):
        if alike[index]:
            continue
        neighbour = min((other for other in range(len(headers)) if alike[other]), key=lambda other: abs(other - index))
        own, beside = hu[planes[index]].astype(np.float32), hu[planes[neighbour]].astype(np.float32)
        as_others = (own - own_intercept) / own_slope * slope + intercept
        if np.abs(own - beside).mean() > np.abs(as_others - beside).mean() + NOTICEABLE_HU:
            raise SeriesError(
                f"{headers[index].name} has another RescaleSlope or RescaleIntercept ({own_slope:g}, "
                f"{own_intercept:g}) than the other slices ({slope:g}, {intercept:g}), with which its HU would fit "
                "theirs: copy the slice again from its source.",
                reason="implausible HU",
            )
