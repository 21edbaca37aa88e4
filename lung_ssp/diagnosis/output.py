"""The files of a diagnosis in its folder, and what may lie there before. Loads no Paddle."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from lung_ssp.diagnosis.formats import FORMATS
from lung_ssp.errors import LungSspError
from lung_ssp.folders import check_empty, others_in

FINDINGS_FILE = "findings.json"
UNFINISHED = "unfinished.txt"  # in the folder for as long as something is missing
UNFINISHED_TEXT = "The diagnosis in this folder is not complete: the same command completes it.\n"
NAMED = 3  # files that a line of the table names; findings.json names all


def check_output(folder: Path) -> None:
    """Refuse a folder for a diagnosis that holds anything but one that was interrupted.

    Raises:
        LungSspError: naming it.
    """
    if not (folder / UNFINISHED).is_file():
        check_empty(folder)
        return
    known = {UNFINISHED, *(path.name for path in own_files(folder))}
    if foreign := others_in(folder) - known:
        raise LungSspError(f"{folder} holds {min(foreign)!r}, which is no part of a diagnosis: name another folder.")


def own_files(folder: Path) -> list[Path]:
    """What a diagnosis has written into its folder, in whatever formats."""
    pattern = re.compile("|".join([re.escape(FINDINGS_FILE), *(one.pattern for one in FORMATS.values())]))
    return [path for path in folder.iterdir() if pattern.fullmatch(path.name) and path.is_file()]


def left_out_line(why: str, names: Sequence[str]) -> str:
    """Files that were left out as a line: how many, why, and the first of their names."""
    more = f", and {len(names) - NAMED} more" if len(names) > NAMED else ""
    first = ", ".join(PurePosixPath(name).name for name in names[:NAMED])
    return f"Left out: {len(names)} x {why} ({first}{more})."
