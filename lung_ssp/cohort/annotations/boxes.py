"""Boxes that others drew around lesions of NLST: Sybil's and NLSTx's files, and their lesions on a series' voxels.

Both give the corner nearest to the first pixel, width and height, not the centre: of NLSTx's 221 boxes on series that
both hold, 205 overlap one of Sybil's that way, 75 of them by more than half of their union, and the signed distance of
the centres has medians of 1.1 and -1.0 pixels; were NLSTx's corners centres, one would, and the medians would be -11.5
and -11.1 pixels.

NLSTx's slice numbers come without slices. They are no count from the head or from the feet: 12 pairs of boxes of one
participant, at one place in the image, lie mirrored from year to year (at 0.713 and 0.311 of the series' slices, at
0.290 and 0.709), while 495 of 571 pairs away from the middle lie alike. InstanceNumber, whose direction differs between
scanners, explains that; whether it is what was noted cannot be told without the images.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lung_ssp.cohort.annotations.groups import joined
from lung_ssp.cohort.annotations.planes import Plane, slice_voxels, stored_plane
from lung_ssp.cohort.annotations.settings import AnnotationSettings, SliceNumbers
from lung_ssp.ct.series import Series
from lung_ssp.errors import CohortError, DamagedFile
from lung_ssp.files import read_json

NLSTX_COLUMNS = {
    "seriesinstanceuids": "series",
    "Abnormality UID": "lesion",
    "Slice number": "slice",
    "Bounding box x (pixels)": "left",
    "Bounding box y (pixels)": "top",
    "Bounding box width (pixels)": "width",
    "Bounding box height (pixels)": "height",
}
SYBIL_KEYS = ("x", "y", "width", "height")
UID = re.compile(r"[0-9]+(\.[0-9]+)+")
MOST_LESIONS = 255  # what uint8 can number
ROUNDING = 1e-6


@dataclass(frozen=True)
class MarkedBox:
    """A rectangle on one stored image of a series.

    series_uid: SeriesInstanceUID.
    sop_uid: SOPInstanceUID of the image, or None where only a number tells it.
    slice_number: what NLSTx calls its slice number, or None.
    left, top, width, height: from the outer corner of the first pixel along a row and along a column, in pixels or, if
        `fractions`, in shares of the image's width and height; column 3 reaches from 3 to 4.
    lesion: which of the participant's lesions it is, where that is given; the same name in the same series is the same
        lesion.
    """

    series_uid: str
    sop_uid: str | None
    slice_number: int | None
    left: float
    top: float
    width: float
    height: float
    fractions: bool
    lesion: str | None = None


def read_sybil(path: Path) -> dict[str, tuple[MarkedBox, ...]]:
    """Read Sybil's boxes: JSON, SeriesInstanceUID -> SOPInstanceUID -> [{x, y, width, height}] in shares of the image.

    Returns:
        the boxes of each series, in the order of the file; a series may have none.

    Raises:
        CohortError: the file is missing, no such JSON, or has an impossible box.
    """
    if not path.is_file():
        raise CohortError(f"{path} does not exist: give Sybil's file of boxes.")
    try:
        content = read_json(path)
    except DamagedFile as error:
        raise CohortError(str(error)) from error
    boxes: dict[str, tuple[MarkedBox, ...]] = {}
    for series_uid, images in _mapping(path, content).items():
        own: list[MarkedBox] = []
        for sop_uid, listed in _mapping(path, images).items():
            if not isinstance(listed, list):
                raise CohortError(f"{path}: the slice {sop_uid} has no list of boxes; give Sybil's file as it is.")
            own += [_sybil_box(path, series_uid, sop_uid, item) for item in listed]
        boxes[series_uid] = tuple(own)
    return boxes


def read_nlstx(path: Path) -> dict[str, tuple[MarkedBox, ...]]:
    """Read NLSTx's boxes: CSV, one row a lesion in a series, in pixels, on the slice of its largest diameter.

    Participants' numbers are not read.

    Returns:
        the boxes of each series, in the order of the file.

    Raises:
        CohortError: the file is missing, no such table, or has an impossible row, named by its line.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, usecols=lambda name: name in NLSTX_COLUMNS)
    except OSError as error:
        raise CohortError(f"{path} cannot be opened ({error.strerror}): give NLSTx's table of boxes.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise CohortError(f"{path} is no CSV file in UTF-8 ({error}).") from error
    missing = [name for name in NLSTX_COLUMNS if name not in table.columns]
    if missing:
        raise CohortError(f"{path} lacks the column '{missing[0]}': give NLSTx's table as it is.")
    boxes: dict[str, list[MarkedBox]] = {}
    for line, row in enumerate(table.rename(columns=NLSTX_COLUMNS).to_dict("records"), start=2):
        box = _nlstx_box(path, line, row)
        boxes.setdefault(box.series_uid, []).append(box)
    return {series_uid: tuple(own) for series_uid, own in boxes.items()}


def boxes_on(series: Series, boxes: Sequence[MarkedBox], settings: AnnotationSettings) -> np.ndarray:
    """The lesions that boxes tell of, on the voxels of their series.

    A box becomes the ellipse that touches its four sides, on its own slice and no other: the centre and the widest
    slice are the boxes', the outline is not known. Boxes that overlap on the same or on neighbouring slices are one
    lesion, unless they name different ones; boxes that name the same lesion are one.

    Args:
        series: the CT series that was read.
        boxes: some of this series.
        settings: what NLSTx's slice numbers count.

    Returns:
        uint8 (z, y, x): 0 background, 1..n the lesions in the order of their first boxes. Where two overlap, the later
        one is on top.

    Raises:
        CohortError: no boxes, boxes of another series, a slice that the series has not or has twice, or a box outside
            the image.
    """
    if not boxes:
        raise CohortError(f"No box is given for the series {series.volume.series_uid}.")
    placed = [_place(box, series, settings.nlstx_slice_number) for box in boxes]
    # Interpolated slices carry no boxes: the next slice that was scanned is the neighbour.
    rank = np.cumsum([reference.path is not None for reference in series.slices])

    def belong(one: int, two: int) -> bool:
        first, second = boxes[one].lesion, boxes[two].lesion
        if first is not None and second is not None:
            return first == second
        near = abs(int(rank[placed[one].index]) - int(rank[placed[two].index])) <= 1
        return near and placed[one].overlaps(placed[two])

    groups = joined(len(boxes), belong)
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


def _mapping(path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(UID.fullmatch(key) for key in value):
        raise CohortError(
            f"{path} does not go from series to slices to boxes by their UIDs; give Sybil's file as it is."
        )
    return value


def _sybil_box(path: Path, series_uid: str, sop_uid: str, item: Any) -> MarkedBox:
    values = [item.get(key) for key in SYBIL_KEYS] if isinstance(item, dict) else []
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) != len(SYBIL_KEYS):
        raise CohortError(
            f"{path}: a box on the slice {sop_uid} lacks one of {', '.join(SYBIL_KEYS)}, or has no number."
        )
    left, top, width, height = numbers
    if not _possible(left, top, width, height) or max(left + width, top + height) > 1 + ROUNDING:
        raise CohortError(f"{path}: a box on the slice {sop_uid} does not lie within 0 and 1, or is empty.")
    return MarkedBox(series_uid, sop_uid, None, left, top, width, height, fractions=True)


def _nlstx_box(path: Path, line: int, row: dict[str, str]) -> MarkedBox:
    numbers: dict[str, float] = {}
    for name in ("lesion", "slice", "left", "top", "width", "height"):
        try:
            numbers[name] = float(row[name])
        except ValueError:
            raise CohortError(f"{path}, line {line}: the {name} is '{row[name]}', not a number.") from None
    corner = [numbers[name] for name in ("left", "top", "width", "height")]
    whole = all(numbers[name].is_integer() and numbers[name] >= 0 for name in ("lesion", "slice"))
    if not _possible(*corner) or not whole or not UID.fullmatch(row["series"]):
        raise CohortError(f"{path}, line {line}: the series, the lesion, the slice or the box is impossible.")
    left, top, width, height = corner
    lesion = str(int(numbers["lesion"]))
    return MarkedBox(
        row["series"], None, int(numbers["slice"]), left, top, width, height, fractions=False, lesion=lesion
    )


def _possible(left: float, top: float, width: float, height: float) -> bool:
    values: Iterable[float] = (left, top, width, height)
    return all(math.isfinite(value) for value in values) and min(left, top) >= 0 and min(width, height) > 0
