"""A series in a zip archive: unpacked into a folder of its own for as long as it is read."""

import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from lung_ssp.ct.decoding import TEMPORARY
from lung_ssp.errors import SeriesError

DAMAGE = (  # what zipfile raises where an archive is damaged, encrypted, or names a file twice
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    EOFError,
    ValueError,
    OverflowError,
    FileExistsError,
    NotADirectoryError,
    IsADirectoryError,
)
BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks the others whole, whatever size they declare
DRIVE = re.compile(r"[A-Za-z]:")  # of Windows, at the beginning of a name
MOST_FILES = 50_000
MOST_BYTES = 2**32  # of all files when unpacked; a study of 4,000 slices has half of it
LARGEST_RATIO, FROM_BYTES = 50, 2**28  # an archive from this size on that is packed closer holds no pictures


def is_archive(path: Path) -> bool:
    """Whether a file's name says that it is a zip archive."""
    return path.suffix.lower() == ".zip"


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Unpack an archive into a temporary folder, which is removed afterwards.

    Raises:
        SeriesError: it is missing, damaged, encrypted or too large, or it names files outside of itself.
    """
    if not path.is_file():
        raise SeriesError(f"{path} does not exist: give a zip archive of a DICOM series.", reason="not found")
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, path, Path(folder))
        except (*DAMAGE, OSError) as error:
            if isinstance(error, OSError) and not isinstance(error, DAMAGE):
                raise SeriesError(
                    f"{path} cannot be unpacked ({error.strerror or error}): unpack it yourself and give the folder, "
                    "or let TMPDIR name a folder with room for it.",
                    reason="damaged",
                ) from error
            why = "encrypted" if "password" in str(error) or "encrypted" in str(error) else "damaged"
            raise SeriesError(
                f"{path} cannot be unpacked, it is {why}: unpack it yourself and give the folder, or copy it again.",
                reason="damaged",
            ) from error
        yield Path(folder)


def _unpack(archive: zipfile.ZipFile, path: Path, folder: Path) -> None:
    members = [member for member in archive.infolist() if not member.is_dir()]
    size = sum(member.file_size for member in members)
    if len(members) > MOST_FILES or size > MOST_BYTES:
        raise SeriesError(
            f"{path} holds {len(members)} files of {size / 1e9:.1f} GB, at most {MOST_FILES} of {MOST_BYTES / 1e9:.1f} "
            "GB are unpacked: unpack it yourself and give the folder.",
            reason="damaged",
        )
    if any(member.compress_type not in BOUNDED for member in members):
        raise SeriesError(
            f"{path} is compressed in a way that cannot be unpacked safely: unpack it yourself and give the folder.",
            reason="compressed",
        )
    packed_size = sum(member.compress_size for member in members)
    if size > max(FROM_BYTES, LARGEST_RATIO * packed_size):
        raise SeriesError(
            f"{path} of {packed_size / 1e6:.1f} MB would unpack to {size / 1e6:.0f} MB, which no scan does: it may be "
            "an attack, unpack it yourself and give the folder.",
            reason="damaged",
        )
    for member in members:
        target = folder / _place(member.filename, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as packed, target.open("xb") as file:
            shutil.copyfileobj(packed, file)


def _place(name: str, path: Path) -> PurePosixPath:
    """A member's name as a path inside the archive.

    Raises:
        SeriesError: it leads out of it.
    """
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or DRIVE.match(name) or not place.parts:
        raise SeriesError(
            f"{path} holds a file that would be written outside of it ({name!r:.100}): it may be an attack, do not "
            "unpack it.",
            reason="foreign file",
        )
    return place
