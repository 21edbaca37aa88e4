"""Plain names of the scans below a folder, by where they lie. What headers say of a patient is in none of them."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lung_ssp.ct.volume_file import SUFFIXES

LONGEST = 100  # bytes of a name, before the digits that tell it from another
ENDINGS = (*sorted(SUFFIXES, key=len, reverse=True), ".zip")
NOT_PLAIN = re.compile(r"[^\w.+-]")
TOP = "series"  # of a scan that lies in the folder itself
TAKEN = {"diagnosis.json", "scans.csv", "findings.csv", "journal.jsonl", "unfinished.txt"}  # beside the scans' folders


def names_of(scans: Sequence[tuple[Path, str, bool]]) -> list[str]:
    """A name for each scan, different from all others also where a disk takes small and capital letters for the same.

    It is the scan's place with "_" between folders and for what is no letter or digit; where that is the name of
    several scans, or too long, eight digits of a hash of place and UID stand behind it.

    Args:
        scans: the place, within the folder; the series UID; whether the place is a file.
    """
    plain = [plain_name(place, is_file) for place, _, is_file in scans]
    count = Counter(name.casefold() for name in plain)
    names = []
    for name, (place, uid, _) in zip(plain, scans, strict=True):
        short = name.encode()[:LONGEST].decode(errors="ignore")
        is_alone = count[name.casefold()] == 1 and short == name and name.casefold() not in TAKEN
        names.append(name if is_alone else f"{short}-{_digits(place, uid)}")
    return names


def plain_name(place: Path, is_file: bool) -> str:
    """A place in letters, digits and . + - _ alone, not hidden; a file's without its ending."""
    parts = list(place.parts)
    if is_file:
        ending = next((ending for ending in ENDINGS if parts[-1].lower().endswith(ending)), "")
        parts[-1] = parts[-1][: len(parts[-1]) - len(ending)]
    name = NOT_PLAIN.sub("_", "_".join(parts)) or TOP
    return f"_{name[1:]}" if name.startswith(".") else name


def _digits(place: Path, uid: str) -> str:
    return hashlib.sha256(f"{place}\n{uid}".encode(errors="surrogateescape")).hexdigest()[:8]
