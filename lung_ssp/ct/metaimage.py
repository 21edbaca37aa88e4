"""MetaImage: .mha, and .mhd with its voxels in a file beside it, as LUNA16 has them."""

import math
from pathlib import Path

import numpy as np

from lung_ssp.ct.voxels import UNITS_MM, ZLIB_OR_GZIP, Grid, checked_shape, finite_numbers, read_voxels
from lung_ssp.errors import SeriesError, shown
from lung_ssp.paths import is_plain_name

LONGEST_HEADER = 2**20  # bytes
METAIMAGE_SUFFIXES = (".mha", ".mhd")
LOCAL, LIST = "LOCAL", "LIST"  # in place of a file's name: behind the header, and in several files
TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}


def read_metaimage(path: Path) -> tuple[np.ndarray, Grid]:
    """The voxels (z, y, x) of a MetaImage and their grid.

    Raises:
        SeriesError: the header is damaged or of another kind of image, or the voxels are missing or damaged.
    """
    with path.open("rb") as file:
        head = file.read(LONGEST_HEADER)
    fields, end = _fields(path, head)
    try:
        grid = _grid(path, fields)
        compressed = _flag(fields, "CompressedData")
        begin = int(fields.get("HeaderSize", "0"))
        data_file, begin = _data_file(path, fields["ElementDataFile"], begin, end)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise _damaged(path) from error
    with data_file.open("rb") as file:
        size = data_file.stat().st_size
        if begin == -1 and not compressed:  # the voxels end the file
            begin = size - math.prod(grid.shape) * grid.dtype.itemsize
        if not 0 <= begin <= size:
            raise _damaged(path)
        file.seek(begin)
        return read_voxels(path, file, grid, ZLIB_OR_GZIP if compressed else None), grid


def data_file_of(path: Path) -> Path:
    """The file that holds the voxels of a MetaImage: itself, or the one beside it that its header names.

    Raises:
        SeriesError: the header is damaged, or that file is not there.
    """
    with path.open("rb") as file:
        fields, end = _fields(path, file.read(LONGEST_HEADER))
    return _data_file(path, fields["ElementDataFile"], 0, end)[0]


def _fields(path: Path, head: bytes) -> tuple[dict[str, str], int]:
    """The header's "Key = Value" lines, of which ElementDataFile is the last one, and where it ends."""
    fields: dict[str, str] = {}
    position = 0
    while (line_end := head.find(b"\n", position)) >= 0:
        key, equals, value = head[position:line_end].decode("latin-1").partition("=")
        position = line_end + 1
        if not equals:
            break
        fields[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            return fields, position
    raise _damaged(path)


def _grid(path: Path, fields: dict[str, str]) -> Grid:
    if fields.get("ObjectType", "Image") != "Image" or fields.get("ElementNumberOfChannels", "1") != "1":
        raise SeriesError(
            f"{path} holds no image with one value a voxel: export the scan again.", reason="foreign file"
        )
    if not _flag(fields, "BinaryData", default=True):
        raise SeriesError(f"{path} holds its voxels as text: export the scan in binary form.", reason="foreign file")
    if _numbers(fields, ("ElementToIntensityFunctionSlope",), "1") + _numbers(
        fields, ("ElementToIntensityFunctionOffset",), "0"
    ) != [1, 0]:
        raise SeriesError(
            f"{path} holds numbers that its ElementToIntensityFunctionSlope and -Offset turn into others: export the "
            "scan in HU.",
            reason="implausible HU",
        )
    shape = checked_shape(path, [int(size) for size in fields["DimSize"].split()])
    big = _flag(fields, "BinaryDataByteOrderMSB") or _flag(fields, "ElementByteOrderMSB")
    if fields["ElementType"] not in TYPES:
        raise SeriesError(
            f"{path} holds voxels of the type {shown(fields['ElementType'])}, which is not read: save it as one of "
            f"{', '.join(TYPES)}.",
            reason="foreign file",
        )
    dtype = np.dtype(TYPES[fields["ElementType"]]).newbyteorder(">" if big else "<")
    unit = UNITS_MM[fields.get("DistanceUnits", "?").replace("?", "mm")]
    spacing = [unit * step for step in _numbers(fields, ("ElementSpacing", "ElementSize"), "")[:3]]
    if len(spacing) != 3 or min(spacing) <= 0:
        raise SeriesError(
            f"{path} has no ElementSpacing of three positive numbers: export the scan with its geometry.",
            reason="header",
        )
    origin = [unit * place for place in _numbers(fields, ("Offset", "Position", "Origin"), "0 0 0")[:3]]
    matrix = _numbers(fields, ("TransformMatrix", "Rotation", "Orientation"), "1 0 0 0 1 0 0 0 1")
    rank = round(len(matrix) ** 0.5)
    axes = np.reshape(matrix, (rank, rank))[:3, :3].T * spacing  # each row of the file is the direction of one axis
    if axes.shape != (3, 3):
        raise ValueError("three axes are needed")
    x, y, z = origin
    return Grid(shape, dtype, axes, (x, y, z))


def _data_file(path: Path, name: str, header_size: int, end: int) -> tuple[Path, int]:
    """Where the voxels are: after the header, or in a file in the same folder; never elsewhere.

    Raises:
        SeriesError: the header names something else, or the file is not there.
    """
    if name.upper() == LOCAL:
        return path, end
    if not is_plain_name(name) or "%" in name or name.split()[0].upper() in (LIST, LOCAL):
        raise SeriesError(
            f"{path} names {name!r:.100} as the file of its voxels: it must be one file in the same folder.",
            reason="foreign file",
        )
    data_file = path.parent / name
    if not data_file.is_file():
        raise SeriesError(
            f"{path} keeps its voxels in {name!r:.100}, which is not beside it: copy both files.", reason="not found"
        )
    return data_file, header_size


def _numbers(fields: dict[str, str], names: tuple[str, ...], default: str) -> list[float]:
    text = next((fields[name] for name in names if name in fields), default)
    return finite_numbers(text.split())


def _flag(fields: dict[str, str], name: str, default: bool = False) -> bool:
    return fields.get(name, str(default))[:1].lower() in ("t", "1")  # as MetaIO reads it


def _damaged(path: Path) -> SeriesError:
    return SeriesError(
        f"{path} has a damaged header, or is no MetaImage: copy it again from its source.", reason="damaged"
    )
