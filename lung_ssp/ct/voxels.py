"""The voxels of a volume file: exactly as many bytes as its header declares, and where they lie in the patient."""

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from lung_ssp.ct.limits import LARGEST_POSITION_MM, LARGEST_SIDE, MOST_SLICES, SPACING_MM
from lung_ssp.errors import SeriesError

MOST_FILE_VOXELS = 2**28  # 1,024 slices of 512 x 512: there are several copies of them in memory at a time
LARGEST_FILE_BYTES = 2**30  # bytes of them
BLOCK, PIECE = 2**20, 2**24  # bytes that are read, and unpacked, at once
LARGEST_SHEAR_MM = 0.5  # over the whole scan, for axes that are taken as perpendicular
NOTICEABLE_SHEAR_MM = 1e-3  # below it, it is the rounding of numbers written in a header
GZIP = zlib.MAX_WBITS | 16  # how deflated bytes are framed
ZLIB_OR_GZIP = zlib.MAX_WBITS | 32  # as they say themselves
UNITS_MM = {"mm": 1.0, "um": 0.001, "cm": 10.0, "m": 1000.0}


@dataclass(frozen=True, eq=False)
class Grid:
    """What the header of a volume file declares.

    shape: voxels along (x, y, z) of the file, the first one fastest.
    dtype: of a voxel, with its byte order.
    axes: 3x3 in mm, its columns the steps from voxel to voxel along the file's axes, in LPS.
    origin: (x, y, z) mm, LPS, of the centre of the first voxel.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    axes: np.ndarray
    origin: tuple[float, float, float]


def finite_numbers(texts: Iterable[str]) -> list[float]:
    """Numbers of a header.

    Raises:
        ValueError: one of them is none, or not finite.
    """
    numbers = [float(text) for text in texts]
    if not np.isfinite(numbers).all():
        raise ValueError("a number that is not finite")
    return numbers


def checked_shape(path: Path, sizes: list[int]) -> tuple[int, int, int]:
    """The declared sizes, before memory is taken for them.

    Raises:
        SeriesError: there are not three, or they are no scan's.
    """
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes = sizes[:-1]
    if len(sizes) != 3 or min(sizes) < 1:
        raise SeriesError(
            f"{path} has the size {' x '.join(map(str, sizes[:8]))}: three dimensions and one value a voxel are "
            "needed.",
            reason="foreign file",
        )
    if sorted(sizes)[1] > LARGEST_SIDE or max(sizes) > MOST_SLICES or math.prod(sizes) > MOST_FILE_VOXELS:
        raise SeriesError(
            f"{path} declares {' x '.join(map(str, sizes))} voxels, {MOST_FILE_VOXELS:,} are the most that are read: "
            "give one chest CT.",
            reason="header",
        )
    return sizes[0], sizes[1], sizes[2]


def read_voxels(path: Path, file: BinaryIO, grid: Grid, framing: int | None) -> np.ndarray:
    """Read the voxels from where the file stands.

    Args:
        framing: GZIP or ZLIB_OR_GZIP where they are compressed, else None.

    Returns:
        (z, y, x) of the file's axes, in the machine's byte order.

    Raises:
        SeriesError: there are fewer or more than declared, or they cannot be unpacked.
    """
    wanted = math.prod(grid.shape) * grid.dtype.itemsize
    if wanted > LARGEST_FILE_BYTES:
        raise SeriesError(
            f"{path} holds {wanted >> 20:,} MB of voxels, {LARGEST_FILE_BYTES >> 20:,} are the most that are read: "
            "save the scan as whole numbers of 16 bits.",
            reason="header",
        )
    data = _read(file, wanted) if framing is None else _inflate(path, file, wanted, framing)
    if len(data) != wanted:
        what = "fewer" if len(data) < wanted else "more"
        raise SeriesError(
            f"{path} is damaged or truncated, it holds {what} voxels than its header declares: copy it again from its "
            "source.",
            reason="damaged",
        )
    return np.frombuffer(data, grid.dtype).reshape(grid.shape[::-1]).astype(grid.dtype.newbyteorder("="), copy=False)


def _read(file: BinaryIO, wanted: int) -> bytearray:
    """The file's bytes from where it stands, at most one more than wanted."""
    data, length = bytearray(wanted + 1), 0
    with memoryview(data) as view:
        while length <= wanted and (read := file.readinto(view[length : length + PIECE])):  # type: ignore[attr-defined]
            length += read
    del data[length:]
    return data


def _inflate(path: Path, file: BinaryIO, wanted: int, framing: int) -> bytearray:
    """The unpacked bytes, at most one more than wanted: a stream that goes on is not followed."""
    data, length = bytearray(wanted + 1), 0  # as a whole at once: a growing one is copied, and in memory twice
    stream = zlib.decompressobj(framing)
    try:
        block = file.read(BLOCK)
        while length <= wanted and block:
            if stream.eof:  # gzip may be made of several members
                stream = zlib.decompressobj(framing)
            unpacked = stream.decompress(block, min(PIECE, wanted + 1 - length))
            data[length : length + len(unpacked)] = unpacked
            length += len(unpacked)
            block = stream.unconsumed_tail or stream.unused_data or file.read(BLOCK)
    except zlib.error as error:
        raise SeriesError(
            f"{path} is damaged, its voxels cannot be unpacked: copy it again from its source.", reason="damaged"
        ) from error
    if not stream.eof and length == wanted:
        length -= 1  # cut within its end, which tells whether the rest is right
    del data[length:]
    return data


def to_image(path: Path, values: np.ndarray, grid: Grid) -> tuple[sitk.Image, float]:
    """Voxels with their place, and by how many mm over the whole image its axes are not perpendicular.

    Raises:
        SeriesError: the axes are no axes, or are sheared by more than a rounding.
    """
    if not (np.abs(grid.axes) <= LARGEST_POSITION_MM).all() or not (np.abs(grid.origin) <= LARGEST_POSITION_MM).all():
        raise SeriesError(
            f"{path} has axes or an origin that are no numbers of mm: export the scan again.", reason="header"
        )
    steps = np.linalg.norm(grid.axes, axis=0)
    if not SPACING_MM[0] <= min(steps) or not max(steps) <= SPACING_MM[1]:
        raise SeriesError(
            f"{path} has voxels of {steps[0]:.4g} x {steps[1]:.4g} x {steps[2]:.4g} mm, expected are "
            f"{SPACING_MM[0]:g} to {SPACING_MM[1]:g}: export it again with its true geometry.",
            reason="header",
        )
    left, _, right = np.linalg.svd(grid.axes / steps)
    direction = left @ right  # the nearest axes that are perpendicular
    shear = float(np.linalg.norm((grid.axes - direction * steps) @ (np.array(grid.shape) - 1), axis=0).max())
    if not shear <= LARGEST_SHEAR_MM:
        raise SeriesError(
            f"{path} has axes that are not perpendicular, a shear of {shear:.1f} mm over the scan: resample it onto "
            "perpendicular axes first.",
            reason="orientation",
        )
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(steps.tolist())
    image.SetOrigin(grid.origin)
    image.SetDirection(direction.ravel().tolist())
    return image, shear
