"""DICOM's unique identifiers (UIDs): their form, and messages without them."""

import re

LONGEST_UID = 64  # characters, DICOM PS3.5 section 9
UID = re.compile(r"[0-9]+(\.[0-9]+)+")  # DICOM PS3.5 section 9
_IN_TEXT = re.compile(r"\b[0-2]\.[0-9.]{10,}[0-9]\b")  # too long for a number in a sentence


def is_uid(text: str) -> bool:
    """Whether a text has the form of a UID."""
    return len(text) <= LONGEST_UID and UID.fullmatch(text) is not None


def without_uids(message: str) -> str:
    """A message with <uid> in the place of each UID."""
    return _IN_TEXT.sub("<uid>", message)
