"""Elements of a DICOM file as typed values: whatever VR, length or value a file gives them, a value or one sentence."""

import math
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydicom
from pydicom import charset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

from lung_ssp.errors import SeriesError

LONGEST_VALUE = 4096  # bytes; no element that is read here, other than a sequence, needs as many
LONGEST_TEXT = 128  # characters of a text of several values
LONGEST_UID = 64  # characters (PS3.5 section 9.1)
LARGEST_WHOLE_NUMBER = 2**31 - 1
# How struct reads each number of a binary value representation (PS3.5 section 6.2).
BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "US or SS": "H", "UV": "Q", "SV": "q"}
TEXT = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")  # of DS and IS; float() would also take "nan" and "1_0"


class Elements:
    """The elements of one data set (a file, or an item of a sequence), by their keywords.

    Values are taken from the bytes of the file: its VR says how they are encoded, and where the VR is unknown or
    foreign to the element, the data dictionary does. pydicom's own conversion raises errors of many kinds, and takes
    numbers that are infinite or values of any length.

    Attributes:
        path: of the file, for messages.
        series_uid: of the file, for messages.
    """

    def __init__(self, dataset: pydicom.Dataset, path: Path, series_uid: str = "") -> None:
        self._dataset, self.path = dataset, path
        self.series_uid = series_uid or self.uid("SeriesInstanceUID")

    def __contains__(self, keyword: str) -> bool:
        """Whether the element is there and not empty."""
        element = self._raw(keyword)
        if not isinstance(element, RawDataElement):
            return element is not None and not element.is_empty
        return element.length != 0

    def text(self, keyword: str) -> str:
        """A text; several values are joined by backslashes; empty where there is none or where it is no text.

        It is cut after LONGEST_TEXT characters: longer ones are a fault of the file, and would fill a message.
        """
        return "\\".join(self.texts(keyword))[:LONGEST_TEXT]

    def texts(self, keyword: str) -> list[str]:
        """The values of a text, without padding; none where there is none or where it is no text."""
        try:
            values = self._values(keyword)
        except ValueError:
            return []
        return [printable(value) if isinstance(value, str) else f"{value:g}" for value in values]

    def uid(self, keyword: str) -> str:
        """A unique identifier, empty where there is none; longer ones than the standard allows are cut.

        A cut one still tells one file from another, but nothing may be referred to by it: see `is_uid_cut`.
        """
        return self.text(keyword)[:LONGEST_UID]

    def is_uid_cut(self, keyword: str) -> bool:
        """Whether a unique identifier is longer than the standard allows, so that `uid` is only its beginning."""
        return len(self.text(keyword)) > LONGEST_UID

    def in_any_script(self, keyword: str) -> str:
        """A text, such as a name, read by the file's SpecificCharacterSet; empty where there is none or it is too long.

        SpecificCharacterSet (0008,0005) must be among the elements that were read. Of a name, each part between "="
        begins with the first script anew (PS3.5 section 6.2.1.1).
        """
        element = self._raw(keyword)
        value = getattr(element, "value", None)
        if not isinstance(value, bytes):
            return "" if value is None else printable(str(value))[:LONGEST_TEXT]
        if len(value) > LONGEST_VALUE:
            return ""
        try:
            scripts = self._dataset.original_character_set
            known = [scripts] if isinstance(scripts, str) else list(scripts)
            delimiters = PN_DELIMS if element.VR == "PN" else TEXT_VR_DELIMS
            text = "=".join(charset.decode_bytes(part, known, delimiters) for part in value.split(b"="))
        except (LookupError, ValueError):
            return ""
        return printable(text.strip(" \0"))[:LONGEST_TEXT]

    def number(self, keyword: str) -> float:
        """One finite number.

        Raises:
            SeriesError: the element is missing, or is anything else.
        """
        return self.numbers(keyword, 1)[0]

    def numbers(self, keyword: str, count: int) -> tuple[float, ...]:
        """So many finite numbers.

        Raises:
            SeriesError: the element is missing, or is anything else.
        """
        if keyword not in self:
            raise self.problem("has no", keyword)
        try:
            numbers = tuple(_number(value) for value in self._values(keyword))
        except ValueError as error:
            raise self.problem("has an unreadable", keyword) from error
        if len(numbers) != count:
            raise self.problem("has an unreadable", keyword)
        return numbers

    def whole_number(self, keyword: str, lowest: int = 0, highest: int = LARGEST_WHOLE_NUMBER) -> int:
        """One whole number within limits.

        Raises:
            SeriesError: the element is missing, or is anything else.
        """
        value = self.number(keyword)
        if not value.is_integer() or not lowest <= value <= highest:
            raise self.problem("has an unreadable or impossible", keyword)
        return int(value)

    def items(self, keyword: str) -> list["Elements"]:
        """The items of a sequence, none where there is none.

        Raises:
            SeriesError: the element is no sequence, or it is damaged.
        """
        if keyword not in self._dataset:
            return []
        try:
            return [Elements(item, self.path, self.series_uid) for item in self._dataset[keyword].value or []]
        except Exception as error:  # pydicom raises errors of many kinds where a sequence is cut or garbled
            raise self.problem("has an unreadable", keyword) from error

    def problem(self, what: str, keyword: str) -> SeriesError:
        """The error of an element that is missing or cannot be what it is."""
        return SeriesError(
            f"{self.path} (series {self.series_uid}) {what} {keyword}: correct this element, or export the series "
            "again with its geometry and its HU scale.",
            reason="header",
        )

    def _raw(self, keyword: str) -> Any:
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        return self._dataset.get_item(tag, keep_deferred=True) if tag in self._dataset else None

    def _values(self, keyword: str) -> Sequence[str | float]:
        """The values of an element, none where it is missing.

        Raises:
            ValueError: they are too long, or cannot be read.
        """
        element = self._raw(keyword)
        if element is None:
            return []
        if not isinstance(element, RawDataElement):  # the few that pydicom itself needs, such as PixelRepresentation
            return [] if element.is_empty else [str(element.value)]
        if element.length == 0:
            return []
        if not isinstance(element.value, bytes) or len(element.value) > LONGEST_VALUE:
            raise ValueError("too long, or a sequence")
        known = dictionary_VR(element.tag)
        vr = element.VR if element.VR in BINARY or element.VR in TEXT else known
        if vr in BINARY:
            code = BINARY[vr]
            size = struct.calcsize(f"={code}")
            if len(element.value) % size:
                raise ValueError("a length that no number has")
            order = "<" if element.is_little_endian else ">"
            return struct.unpack(f"{order}{len(element.value) // size}{code}", element.value)
        return [part.strip(" \0") for part in element.value.decode("latin-1").split("\\")]


def printable(text: str) -> str:
    """The text without control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _number(value: str | float) -> float:
    """A number as written.

    Raises:
        ValueError: it is none, or not finite.
    """
    if isinstance(value, str) and not NUMBER.fullmatch(value):
        raise ValueError(f"{value!r} is no number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number
