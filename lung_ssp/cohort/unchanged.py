"""Whether the labels and tables of a prepared cohort are still those that were prepared; cheap, before each use."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lung_ssp.errors import CohortError
from lung_ssp.files import sha256_of

FILES = "files.json"  # SHA-256 of each file by its path in the cohort's folder (cohort/verify.py)
LARGE = ("slices/", "tiles/", "slides/")  # left to lung-ssp prepare verify, as the DICOM files are
SUFFIXES = (".csv", ".json", ".npz")


def check_unchanged(root: Path) -> None:
    """Refuse a cohort whose sections, masks or tables have changed under the fingerprint of cohort.json.

    A cohort without files.json passes: its preparation did not end, which lung-ssp prepare verify tells.

    Raises:
        CohortError: a file is gone or another one than was recorded, or the record is damaged.
    """
    record = Path(root) / FILES
    if not record.is_file():
        return
    again = "restore it from a copy, or remove the folder and prepare the cohort again"
    try:
        recorded = TypeAdapter(dict[str, str]).validate_json(record.read_bytes(), strict=True)
    except ValidationError as error:
        raise CohortError(f"{record} is damaged: {again}.") from error
    for name, expected in sorted(recorded.items()):
        if not name.endswith(SUFFIXES) or name.startswith(LARGE):
            continue
        path = Path(root) / name
        if not path.is_file():
            raise CohortError(f"{path} is missing, which was there when the cohort was prepared: {again}.")
        if sha256_of(path) != expected:
            raise CohortError(f"{path} has changed since the cohort was prepared: {again}.")
