"""NRRD with its voxels in the file itself (http://teem.sourceforge.net/nrrd/format.html)."""

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from lung_ssp.ct.voxels import GZIP, UNITS_MM, Grid, checked_shape, finite_numbers, read_voxels
from lung_ssp.errors import SeriesError, shown

LONGEST_HEADER = 2**20  # bytes
MAGIC = b"NRRD000"
NAMES = {  # of each kind of number, the names that the format gives it
    "i1": ("int8", "int8_t", "signed char"),
    "u1": ("uint8", "uint8_t", "uchar", "unsigned char"),
    "i2": ("int16", "int16_t", "short", "short int", "signed short", "signed short int"),
    "u2": ("uint16", "uint16_t", "ushort", "unsigned short", "unsigned short int"),
    "i4": ("int32", "int32_t", "int", "signed int"),
    "u4": ("uint32", "uint32_t", "uint", "unsigned int"),
    "i8": ("int64", "int64_t", "longlong", "long long", "long long int", "signed long long", "signed long long int"),
    "u8": ("uint64", "uint64_t", "ulonglong", "unsigned long long", "unsigned long long int"),
    "f4": ("float",),
    "f8": ("double",),
}
TYPES = {name: kind for kind, names in NAMES.items() for name in names}
ENCODINGS = {"raw": None, "gzip": GZIP, "gz": GZIP}
# What brings the coordinates of a space to LPS.
SPACES = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
QUOTED = re.compile(r'"([^"]*)"')
VECTOR = re.compile(r"\(([^()]*)\)")


def read_nrrd(path: Path) -> tuple[np.ndarray, Grid]:
    """The voxels (z, y, x) of an NRRD file and their grid.

    Raises:
        SeriesError: the header is damaged or of another kind of image, or the voxels are elsewhere or damaged.
    """
    with path.open("rb") as file:
        fields = _fields(path, file.read(LONGEST_HEADER))
        try:
            grid = _grid(path, fields)
            framing = ENCODINGS[fields["encoding"].lower()]
            skipped = any(int(fields.get(name, "0")) for name in ("line skip", "byte skip"))
        except (KeyError, ValueError, OverflowError) as error:
            raise _damaged(path) from error
        if skipped or "data file" in fields or "datafile" in fields:
            raise SeriesError(
                f"{path} keeps its voxels in another place than behind its header: save it as one .nrrd file.",
                reason="foreign file",
            )
        file.seek(int(fields[""]))
        return read_voxels(path, file, grid, framing), grid


def _fields(path: Path, head: bytes) -> dict[str, str]:
    """The header's "field: value" lines; "" holds where it ends, which is an empty line."""
    fields: dict[str, str] = {}
    position = head.find(b"\n") + 1
    if not head.startswith(MAGIC) or not position:
        raise _damaged(path)
    while (line_end := head.find(b"\n", position)) >= 0:
        line = head[position:line_end].decode("latin-1").strip("\r")
        position = line_end + 1
        if not line:
            return {**fields, "": str(position)}
        name, colon, value = line.partition(": ")
        if colon and not line.startswith("#"):
            fields[name.strip().lower()] = value.strip()
    raise _damaged(path)


def _grid(path: Path, fields: dict[str, str]) -> Grid:
    shape = checked_shape(path, [int(size) for size in fields["sizes"].split()])
    _require_known(path, fields, "type", TYPES)
    _require_known(path, fields, "encoding", ENCODINGS)
    kind = TYPES[fields["type"].lower()]
    big = fields.get("endian", "little").lower() == "big"
    if "space" not in fields or "space directions" not in fields:
        raise SeriesError(
            f"{path} does not say how the scan lies in the patient (space, space directions): export it with its "
            "geometry.",
            reason="orientation",
        )
    units = {UNITS_MM[unit] for unit in QUOTED.findall(fields.get("space units", '"mm"'))}
    turn = np.array(SPACES[fields["space"].lower()]) * units.pop()
    directions = [finite_numbers(text.split(",")) for text in VECTOR.findall(fields.get("space directions", ""))]
    axes = np.array(directions, dtype=float).T
    origin = finite_numbers(fields.get("space origin", "(0,0,0)").strip("()").split(","))
    if axes.shape != (3, 3) or len(origin) != 3 or units:
        raise ValueError("three axes are needed, in one unit")
    x, y, z = (turn * origin).tolist()
    return Grid(shape, np.dtype(kind).newbyteorder(">" if big else "<"), turn[:, None] * axes, (x, y, z))


def _require_known(path: Path, fields: dict[str, str], name: str, known: Collection[str]) -> None:
    if fields[name].lower() not in known:
        raise SeriesError(
            f"{path} has the {name} {shown(fields[name])}, which is not read: save it with one of {', '.join(known)}.",
            reason="foreign file",
        )


def _damaged(path: Path) -> SeriesError:
    return SeriesError(
        f"{path} has a damaged header, or one with fields that are not read: save the scan again as .nrrd or .mha.",
        reason="damaged",
    )
