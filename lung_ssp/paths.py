"""Names and paths: those that stand in a file may not lead out of their folder; those of half-written files."""

import os
import re
import secrets
import unicodedata
from pathlib import Path, PurePosixPath

from lung_ssp.errors import LungSspError, shown

LONGEST_NAME = 200  # bytes; a file system allows 255, and endings and a temporary file's letters come behind it
LONGEST_PATH = 1000  # characters
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.lung-ssp", re.DOTALL)  # what `temporary_beside` names


def temporary_beside(path: Path) -> Path:
    """A new hidden name beside a file, under which it is written until it is whole; no user's file has such a name."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.lung-ssp")


def is_temporary(name: str) -> bool:
    """Whether a file's name is one that `temporary_beside` gives."""
    return TEMPORARY.fullmatch(name) is not None


def is_one_line(text: str) -> bool:
    """Whether a text has no line breaks and no control characters, such as NUL or a terminal's escape sequences."""
    return not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text)


def is_plain_name(text: str) -> bool:
    """Whether a text can be a file's name of our own: no folder in it, not hidden, no control characters."""
    return (
        bool(text)
        and is_one_line(text)
        and not text.startswith(".")
        and not any(character in text for character in "/\\")
        and len(text.encode("utf-8", "surrogatepass")) <= LONGEST_NAME
    )


def is_relative_path(text: str) -> bool:
    """Whether a text can be a path inside a folder, relative to it: in one line, / between its parts."""
    return (
        bool(text)
        and is_one_line(text)
        and "\\" not in text
        and len(text) <= LONGEST_PATH
        and all(len(part.encode("utf-8", "surrogatepass")) <= 255 for part in text.split("/"))
        and not PurePosixPath(text).is_absolute()
        and PurePosixPath(os.path.normpath(text)).parts[:1] != ("..",)
    )


def inside(root: Path, text: str) -> Path:
    """The path of a file or folder inside `root`, which a file names relative to it.

    Raises:
        LungSspError: the text is no such path, or a link on the way leads out of `root`.
    """
    root = Path(root)
    if not is_relative_path(text):
        raise LungSspError(f"{shown(text)}: it must be a path inside {root}, relative to it, with / between folders")
    path = root / text
    try:
        within = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links in a circle
        within = False
    if not within:
        raise LungSspError(f"{shown(text)}: it leads out of {root} by a link")
    return path
