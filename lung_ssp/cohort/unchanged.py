"""Whether the files of a prepared cohort are still those that were prepared: their record, and a cheap look at it."""

from pathlib import Path

from pydantic import RootModel

from lung_ssp.errors import CohortError, DamagedFile, LungSspError
from lung_ssp.files import sha256_of
from lung_ssp.paths import inside
from lung_ssp.records import read_record

FILES = "files.json"
LARGE = (
    "slices/",
    "tiles/",
    "slides/",
    "nodules/",
    "candidates/",
)  # left to lung-ssp prepare verify, as the DICOM files are
SUFFIXES = (".csv", ".json", ".npz")
REMEDY = "restore it from a copy, or remove the folder and prepare the cohort again"


class RecordedFiles(RootModel[dict[str, str]]):
    """What files.json says: the SHA-256 of each file, by its path in the cohort's folder."""


def recorded_files(root: Path) -> dict[str, str]:
    """The SHA-256 of each file of a finished cohort, by its path within `root`.

    Raises:
        CohortError: the record is damaged, or names a file outside of `root`.
        OSError: it is missing.
    """
    record = Path(root) / FILES
    try:
        recorded = read_record(record, RecordedFiles, REMEDY).root
    except DamagedFile as error:
        raise CohortError(str(error)) from error
    for name in recorded:
        try:
            inside(root, name)
        except LungSspError as error:
            raise CohortError(f"{record} is damaged, it names {error}: {REMEDY}.") from error
    return recorded


def check_unchanged(root: Path) -> None:
    """Refuse a cohort whose sections, masks or tables have changed under the fingerprint of cohort.json.

    A cohort without files.json passes: its preparation did not end, which lung-ssp prepare verify tells.

    Raises:
        CohortError: a file is gone or another one than was recorded, or the record is damaged.
    """
    if not (Path(root) / FILES).is_file():
        return
    for name, expected in sorted(recorded_files(root).items()):
        if not name.endswith(SUFFIXES) or name.startswith(LARGE):
            continue
        path = Path(root) / name
        if not path.is_file():
            raise CohortError(f"{path} is missing, which was there when the cohort was prepared: {REMEDY}.")
        if sha256_of(path) != expected:
            raise CohortError(f"{path} has changed since the cohort was prepared: {REMEDY}.")
