"""What JSON texts and npz archives may hold, looked at before memory is taken."""

import io
import json
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

MOST_DIGITS = 100  # of a whole number in a file; the state of a random generator has 39
LARGEST_ARRAYS = 1 << 31  # bytes of the arrays of an npz file together: two masks of 1,000 slices of 1,024 x 1,024
MOST_COMPRESSED = 100
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # numpy's; of others zipfile unpacks in one piece what comes
LONGEST_HEADER = 10_000  # bytes that describe an array; numpy's own limit
KINDS = {"i": "whole numbers", "u": "whole numbers", "f": "decimal numbers", "b": "truth values", "U": "text"}
# what zipfile, zlib and numpy raise of a damaged or foreign file
UNREADABLE = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, struct.error, SyntaxError, TypeError, tokenize.TokenError),
)


def json_of(text: str | bytes) -> Any:
    """What a JSON text holds, with the limits of `read_json`.

    Raises:
        ValueError, RecursionError: it is none.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    return json.loads(
        text,
        parse_int=_whole,
        parse_float=_finite,
        parse_constant=_no_constant,
        object_pairs_hook=_each_key_once,
    )


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError("a number with too many digits")
    return int(digits)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number beyond all limits")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key is given twice")
    return content


@dataclass(frozen=True)
class ArrayForm:
    """What an array of an npz file must be.

    kinds: numpy's letters of the types allowed, e.g. "iu" whole numbers, "f" floats, "b" truth values, "U" text.
    ndim: the number of axes; None: any. shape: the exact shape; None: any.
    """

    kinds: str
    ndim: int | None = None
    shape: tuple[int, ...] | None = None

    def check(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        """Raises a ValueError where an array of this shape and type is another one."""
        if dtype.kind not in self.kinds:
            expected = " or ".join(KINDS[kind] for kind in self.kinds)
            raise ValueError(f"{name} holds {KINDS.get(dtype.kind, 'other values')}, not {expected}")
        if self.shape is not None and shape != self.shape:
            raise ValueError(f"{name} has the shape {shape}, not {self.shape}")
        if self.ndim is not None and len(shape) != self.ndim:
            raise ValueError(f"{name} has {len(shape)} axes, not {self.ndim}")


def check_arrays(archive: zipfile.ZipFile, names: Sequence[str], forms: Mapping[str, ArrayForm], largest: int) -> None:
    """Check how an npz file is packed and what the headers of its arrays declare, without reading the arrays.

    Args:
        largest: bytes that all members, and the arrays together, may have.

    Raises:
        UNREADABLE: they are no such arrays.
    """
    for packed in archive.infolist():
        if packed.compress_type not in METHODS:
            raise ValueError(f"{packed.filename} is packed by another method than numpy's")
    if sum(packed.file_size for packed in archive.infolist()) > largest + LONGEST_HEADER * len(names):
        raise ValueError(f"it unpacks to more than {largest / 1e9:.1f} GB")
    total = 0
    for name in names:
        with archive.open(f"{name}.npy") as member:
            shape, dtype = _declared(member, name)
        if name in forms:
            forms[name].check(name, shape, dtype)
        if dtype.hasobject:
            raise ValueError(f"{name} holds objects, which are never unpickled")
        total += math.prod(shape) * max(1, dtype.itemsize)
        if min(shape, default=0) < 0 or total > largest:
            raise ValueError(f"it unpacks to more than {largest / 1e9:.1f} GB")


def _declared(member: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and the type of an array by its header; numpy would read all of a header before it limits it."""
    first = npy.read_magic(member) == (1, 0)
    form, read_header = ("<H", npy.read_array_header_1_0) if first else ("<I", npy.read_array_header_2_0)
    length = member.read(struct.calcsize(form))
    (described,) = struct.unpack(form, length)
    if described > LONGEST_HEADER:
        raise ValueError(f"{name} is described in {described:,} bytes, at most {LONGEST_HEADER:,} are read")
    shape, _, dtype = read_header(io.BytesIO(length + member.read(described)))
    return shape, dtype
