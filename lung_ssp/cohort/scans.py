"""The CT series of a prepared cohort: <root>/scans.csv and the true masks beside it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from lung_ssp.cohort.store import REMEDY, Patient, Split, load_arrays
from lung_ssp.cohort.uids import is_uid
from lung_ssp.errors import CohortError, DamagedFile, LungSspError, shown
from lung_ssp.formats import ArrayForm
from lung_ssp.paths import LONGEST_PATH, inside, is_one_line, is_plain_name
from lung_ssp.records import TableRow, read_table

MASK_ARRAYS = {"pixels_sha256": ArrayForm("U", 0), "lungs": ArrayForm("b", 3), "lesions": ArrayForm("u", 3)}


@dataclass(frozen=True, eq=False)
class Scan:
    """One row of scans.csv: a CT series and, where they are known, its masks (npz with `lungs` and `lesions`).

    name: what its slices are called; the patient, where each patient has one scan.
    """

    name: str
    patient: str
    split: str
    series: Path
    masks: Path | None

    def lesions(self) -> np.ndarray:
        """The true lesions, uint8 (z, y, x) on the series' own grid: 0 background, 1..n the lesions.

        Raises:
            CohortError: the masks are unknown or cannot be read.
        """
        if self.masks is None:
            raise CohortError(f"The lesions of patient {self.patient} are not known: scans.csv names no masks.")
        return load_arrays(self.masks, {"lesions": MASK_ARRAYS["lesions"]})["lesions"]


class ScanRow(TableRow):
    """A row of scans.csv. `name` may be missing: it is the patient's then. `masks` is empty where they are unknown."""

    patient: Patient
    split: Split
    series: str
    masks: str
    name: str | None = None


def read_scans(root: Path) -> list[Scan]:
    """The scans of a cohort, in the order of <root>/scans.csv.

    Raises:
        CohortError: there is no scans.csv, it lacks a column, names an unknown split, or a name or path in it leads out
            of the cohort.
    """
    path = Path(root) / "scans.csv"
    if not path.is_file():
        raise CohortError(f"{path} does not exist: this cohort has no scans to segment.")
    try:
        scans = [_scan(Path(root), row) for row in read_table(path, ScanRow, REMEDY)]
    except DamagedFile as error:
        raise CohortError(str(error)) from error
    if twice := [name for name, times in Counter(scan.name for scan in scans).items() if times > 1]:
        raise CohortError(f"{path} names the scan {shown(twice[0])} twice: {REMEDY}.")
    return scans


def _scan(root: Path, row: ScanRow) -> Scan:
    name = row.patient if row.name is None else row.name
    try:
        if not is_plain_name(name):
            raise LungSspError(f"{shown(name)} cannot be the name of a scan's files")
        return Scan(
            name, row.patient, row.split, _series(root, row.series), inside(root, row.masks) if row.masks else None
        )
    except LungSspError as error:
        raise CohortError(f"{root / 'scans.csv'}: {error}: {REMEDY}.") from None


def _series(root: Path, text: str) -> Path:
    """The folder of a series: inside the cohort or, where NLST's images lie, a folder that is named by its UID."""
    outside = PurePosixPath(text)
    if is_uid(outside.name) and is_one_line(text) and len(text) <= LONGEST_PATH and not outside.is_absolute():
        return root / text
    return inside(root, text)
