"""Files, written so that a killed process leaves the old one or the new one, and read back within limits."""

import hashlib
import io
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from lung_ssp.errors import DamagedFile, cut
from lung_ssp.formats import LARGEST_ARRAYS, MOST_COMPRESSED, UNREADABLE, ArrayForm, check_arrays, json_of
from lung_ssp.paths import temporary_beside

LARGEST_FILE = 64_000_000  # bytes of a JSON file or of a table of our own


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file through a temporary one beside it: written, synchronised to disk, then renamed.

    A symbolic link at `path` is replaced, not followed. The file's mode is what the process's umask leaves.

    Args:
        path: where the file shall stand; its folder is made if it is missing.
        write: called once with the open binary file.

    Raises:
        OSError: the system refuses; it names `path`, not the temporary file.
    """
    path = Path(path)
    temporary = temporary_beside(path)  # which `folders.leftovers` finds after a kill
    with naming(path, temporary):
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = _Raw(temporary, opener=lambda name, _: os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            file = io.BufferedWriter(raw)
            write(file)
            file.flush()
            if raw.failure is not None:  # which a library has kept to itself
                raise OSError(*raw.failure)
            os.fsync(raw.fileno())
            file.close()
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        synchronise_folder(path.parent)


class _Raw(io.FileIO):
    """A file to write that, once the system has refused a write, takes all further ones and drops them.

    What an archive's or a picture's writer does while it is given up would print another error of the same cause. So
    that it finds the file open, a failed file is closed when nobody holds it any more.
    """

    failure: tuple[int | None, str | None] | None = None  # not the error, whose traceback would hold this file

    def __init__(self, path: Path, opener: Callable[[str, int], int]) -> None:
        super().__init__(path, "wb", opener=opener)

    def write(self, data: Any) -> int:
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as error:
                self.failure = error.errno, error.strerror
                raise
        return memoryview(data).nbytes


@contextmanager
def naming(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Let an OSError of the block that names no file, or the temporary one, name `path`."""
    try:
        yield
    except OSError as error:
        if error.filename is None or error.filename == str(temporary):
            error.filename, error.filename2 = str(path), None
        raise


def append(path: Path, content: bytes) -> None:
    """Add to the end of a file, which is made if it is missing; not atomically, and never through a symbolic link."""
    with naming(path):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        with io.FileIO(handle, "ab") as file:
            while content:
                content = content[file.write(content) :]


def synchronise_folder(folder: Path) -> None:
    """Make a rename or a removal in `folder` survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_or_copy(source: Path, target: Path) -> None:
    """Bring a file to a second place: as another name of the same bytes where the disk allows it, else as a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        copy(source, target)


def copy(source: Path, target: Path) -> None:
    """Copy a file, atomically."""
    with source.open("rb") as content:
        write_atomically(target, lambda file: shutil.copyfileobj(content, file))


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    write_atomically(path, lambda file: file.write(text.encode("utf-8")))


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_bytes(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """The bytes of an ordinary file of a limited size.

    Args:
        largest: most bytes that are read.

    Raises:
        DamagedFile: it is a folder, a device or a pipe, or larger. The message begins with the path.
        OSError: it is missing or cannot be opened.
    """
    path = Path(path)
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise DamagedFile(f"{path} is no ordinary file: name a file.")
    if state.st_size <= largest:
        with path.open("rb") as file:
            content = file.read(largest + 1)  # a file of /proc tells no size
        if len(content) <= largest:
            return content
    raise DamagedFile(f"{path} has more than {largest / 1e6:g} MB, which no file of its kind has: name another one.")


def read_json(path: Path) -> Any:
    """Read a JSON file of at most LARGEST_FILE bytes: no key twice, no NaN, no number beyond MOST_DIGITS digits.

    Raises:
        DamagedFile: it is not JSON, or no ordinary file.
        OSError: it is missing or cannot be opened.
    """
    try:
        return json_of(read_bytes(path))
    except (ValueError, RecursionError) as error:  # of JSON as well as of UTF-8, or nested without end
        raise DamagedFile(f"{path} is damaged, it holds no JSON: restore it from a copy or make it anew.") from error


def read_npz(
    path: Path,
    names: Sequence[str] | Mapping[str, ArrayForm] | None = None,
    remedy: str = "restore it from a copy or make it anew",
) -> dict[str, np.ndarray]:
    """Read arrays of an npz file; pickled objects are refused.

    The sizes that the arrays declare are looked at before memory is taken: together they may have LARGEST_ARRAYS
    bytes or, in a larger file, MOST_COMPRESSED times its size.

    Args:
        names: of the arrays, perhaps with what each must be; None: all.
        remedy: what the message tells the user to do.

    Raises:
        DamagedFile: the file is missing, damaged or no npz file, lacks one of the arrays, or one is of another form or
            too large.
    """
    try:
        with zipfile.ZipFile(_ordinary(path)) as archive:
            chosen = [name.removesuffix(".npy") for name in archive.namelist()] if names is None else list(names)
            _check_headers(archive, chosen, names if isinstance(names, Mapping) else {}, path)
            return {name: _array(archive, name) for name in chosen}
    except UNREADABLE as error:
        raise DamagedFile(f"{path} cannot be read ({cut(error)}): {remedy}.") from error


def check_npz(path: Path, forms: Mapping[str, ArrayForm], remedy: str) -> None:
    """Check that an npz file is whole and holds arrays of these forms, without keeping them in memory.

    Raises:
        DamagedFile: as `read_npz` does.
    """
    try:
        with zipfile.ZipFile(_ordinary(path)) as archive:
            _check_headers(archive, list(forms), forms, path)
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} is damaged")
    except UNREADABLE as error:
        raise DamagedFile(f"{path} cannot be read ({cut(error)}): {remedy}.") from error


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """An array that was checked; np.load might take another member for it, `name` without .npy."""
    with archive.open(f"{name}.npy") as member:
        return np.asarray(npy.read_array(member, allow_pickle=False))


def _ordinary(path: Path) -> Path:
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise ValueError("no ordinary file")
    return path


def _check_headers(archive: zipfile.ZipFile, names: Sequence[str], forms: Mapping[str, ArrayForm], path: Path) -> None:
    check_arrays(archive, names, forms, max(LARGEST_ARRAYS, MOST_COMPRESSED * path.stat().st_size))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
