"""Boxes around lesions on the voxels of their series.

NLSTx's slice numbers come without slices. They are no count from the head or from the feet: 12 pairs of boxes of one
participant, at one place in the image, lie mirrored from year to year (at 0.713 and 0.311 of the series' slices, at
0.290 and 0.709), while 495 of 571 pairs away from the middle lie alike. InstanceNumber, whose direction differs between
scanners, explains that; whether it is what was noted cannot be decided without the images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lung_ssp.cohort.annotations.box_files import MarkedBox
from lung_ssp.cohort.annotations.groups import connected_groups
from lung_ssp.cohort.annotations.planes import Plane, slice_voxels, stored_plane
from lung_ssp.cohort.annotations.settings import AnnotationSettings, SliceNumbers
from lung_ssp.ct.series import Series
from lung_ssp.errors import CohortError

MOST_BOXES = 10_000  # of a series
MOST_LESIONS = 254  # what uint8 can number; 255 is what is not counted
ROUNDING = 1e-6


def boxes_on(series: Series, boxes: Sequence[MarkedBox], settings: AnnotationSettings) -> np.ndarray:
    """The lesions in boxes, on the voxels of their series.

    A box becomes the ellipse that touches its four sides, on its own slice and no other: the centre and the widest
    slice are the boxes', the outline is not known. Boxes that overlap on the same or on neighbouring slices are one
    lesion, unless they name different ones; boxes that name the same lesion are one.

    Returns:
        uint8 (z, y, x): 0 background, 1..n the lesions in the order of their first boxes. Where two overlap, the later
        one is on top.

    Raises:
        CohortError: no boxes, boxes of another series, a slice that the series has not or has twice, or a box outside
            the image.
    """
    if not boxes:
        raise CohortError(f"No box is given for the series {series.volume.series_uid}.")
    if len(boxes) > MOST_BOXES:
        raise CohortError(f"The series {series.volume.series_uid} has {len(boxes):,} boxes, more than any reading.")
    placed = [_place(box, series, settings.nlstx_slice_number) for box in boxes]
    # Interpolated slices carry no boxes: the next slice that was scanned is the neighbour.
    rank = np.cumsum([reference.path is not None for reference in series.slices])

    def belong(one: int, two: int) -> bool:
        first, second = boxes[one].lesion, boxes[two].lesion
        if first is not None and second is not None:
            return first == second
        near = abs(int(rank[placed[one].index]) - int(rank[placed[two].index])) <= 1
        return near and placed[one].overlaps(placed[two])

    groups = connected_groups(len(boxes), belong)
    if len(groups) > MOST_LESIONS:
        raise CohortError(f"The boxes of the series {series.volume.series_uid} are of {len(groups)} lesions: too many.")
    labels = np.zeros(series.volume.shape, np.uint8)
    for number, group in enumerate(groups, start=1):
        for place in (placed[member] for member in group):
            labels[place.index, place.y, place.x] = number
    return labels


@dataclass(frozen=True, eq=False)
class _Placed:
    """A box on the volume: its slice, and the voxels y, x of its ellipse."""

    index: int
    y: np.ndarray
    x: np.ndarray

    def overlaps(self, other: "_Placed") -> bool:
        """Whether the rectangles of two boxes, whatever their slices, share a voxel."""
        return all(
            one.min() <= two.max() and two.min() <= one.max() for one, two in ((self.y, other.y), (self.x, other.x))
        )


def _place(box: MarkedBox, series: Series, numbers: SliceNumbers) -> _Placed:
    uid = series.volume.series_uid
    if box.series_uid != uid:
        raise CohortError(f"A box of the series {box.series_uid} was given for the series {uid}: give its own.")
    index = _slice_of(box, series, numbers)
    plane = stored_plane(series.slices[index])
    y, x = slice_voxels(_ellipse(box, plane, uid), plane, series.volume, f"A box of the series {uid}")
    return _Placed(index, y, x)


def _slice_of(box: MarkedBox, series: Series, numbers: SliceNumbers) -> int:
    """The index of a box's slice in the volume."""
    if box.sop_uid is not None:
        found = [index for index, reference in enumerate(series.slices) if reference.sop_uid == box.sop_uid]
        what = f"the slice {box.sop_uid}"
    else:
        scanned = [index for index, reference in enumerate(series.slices) if reference.path is not None]
        if numbers == "instance_number":
            found = [index for index in scanned if series.slices[index].instance_number == box.slice_number]
        else:
            counted = scanned if numbers == "from_feet" else scanned[::-1]
            found = [index for number, index in enumerate(counted, start=1) if number == box.slice_number]
        what = f"the slice number {box.slice_number} ({numbers})"
    if len(found) != 1:
        times = "not" if not found else f"{len(found)} times"
        raise CohortError(f"A box lies on {what}, which the series {series.volume.series_uid} has {times}.")
    return found[0]


def _ellipse(box: MarkedBox, plane: Plane, series_uid: str) -> np.ndarray:
    """The pixels of the stored image whose centres lie in the box's ellipse; in one too small for any, the nearest."""
    rows, columns = plane.shape
    down, right = (rows, columns) if box.fractions else (1, 1)
    left, top, width, height = box.left * right, box.top * down, box.width * right, box.height * down
    if left + width > columns + ROUNDING * right or top + height > rows + ROUNDING * down:
        raise CohortError(
            f"A box of the series {series_uid} leaves the image of {rows} rows and {columns} columns: check which "
            "series it is of."
        )
    middle = left + width / 2, top + height / 2
    x = (np.arange(columns) + 0.5 - middle[0]) / (width / 2)
    y = (np.arange(rows) + 0.5 - middle[1]) / (height / 2)
    inside: np.ndarray = y[:, None] ** 2 + x**2 <= 1
    inside[min(int(middle[1]), rows - 1), min(int(middle[0]), columns - 1)] = True
    return inside
