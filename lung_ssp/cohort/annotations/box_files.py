"""Boxes that others drew around lesions of NLST, read from Sybil's and NLSTx's files.

Both give the corner nearest to the first pixel, width and height, not the centre: of NLSTx's 221 boxes on series that
both hold, 205 overlap one of Sybil's that way, 75 of them by more than half of their union, and the signed distance of
the centres has medians of 1.1 and -1.0 pixels. If NLSTx's corners were centres, one would overlap, and the medians
would be -11.5 and -11.1 pixels.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lung_ssp.cohort.uids import is_uid
from lung_ssp.errors import CohortError, DamagedFile, cut, shown
from lung_ssp.files import read_bytes, read_json
from lung_ssp.records import parse_table

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
ROUNDING = 1e-6


@dataclass(frozen=True)
class MarkedBox:
    """A rectangle on one stored image of a series.

    series_uid: SeriesInstanceUID.
    sop_uid: SOPInstanceUID of the image, or None where only its number is given.
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


def read_boxes(sybil: str | None, nlstx: str | None) -> dict[str, dict[str, tuple[MarkedBox, ...]]]:
    """The boxes of each file that is named, by source ("sybil", "nlstx"), then by series UID; a series may have none.

    Raises:
        CohortError: a file is missing, of another form, or has an impossible box.
    """
    readers = {"sybil": (sybil, read_sybil), "nlstx": (nlstx, read_nlstx)}
    return {source: read(Path(path)) for source, (path, read) in readers.items() if path is not None}


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
        table = parse_table(read_bytes(path))
    except OSError as error:
        raise CohortError(f"{path} cannot be opened ({error.strerror}): give NLSTx's table of boxes.") from error
    except DamagedFile as error:
        raise CohortError(str(error)) from error
    except ValueError as error:
        raise CohortError(f"{path} is no CSV file in UTF-8 ({cut(error)}): give NLSTx's table as it is.") from error
    missing = [name for name in NLSTX_COLUMNS if name not in table.columns]
    if missing:
        raise CohortError(f"{path} lacks the column '{missing[0]}': give NLSTx's table as it is.")
    boxes: dict[str, list[MarkedBox]] = {}
    for line in table.lines:
        named = dict(zip(table.columns, line.fields, strict=True))
        box = _nlstx_box(path, line.number, {own: named[name].strip() for name, own in NLSTX_COLUMNS.items()})
        boxes.setdefault(box.series_uid, []).append(box)
    return {series_uid: tuple(own) for series_uid, own in boxes.items()}


def _mapping(path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(is_uid(key) for key in value):
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
            raise CohortError(f"{path}, line {line}: the {name} is {shown(row[name])}, not a number.") from None
    corner = [numbers[name] for name in ("left", "top", "width", "height")]
    whole = all(numbers[name].is_integer() and numbers[name] >= 0 for name in ("lesion", "slice"))
    if not _possible(*corner) or not whole or not is_uid(row["series"]):
        raise CohortError(f"{path}, line {line}: the series, the lesion, the slice or the box is impossible.")
    left, top, width, height = corner
    lesion = str(int(numbers["lesion"]))
    return MarkedBox(
        row["series"], None, int(numbers["slice"]), left, top, width, height, fractions=False, lesion=lesion
    )


def _possible(left: float, top: float, width: float, height: float) -> bool:
    finite = all(math.isfinite(value) for value in (left, top, width, height))
    return finite and min(left, top) >= 0 and min(width, height) > 0
