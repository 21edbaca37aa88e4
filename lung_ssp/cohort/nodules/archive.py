"""An archive of nodules, read and checked: slices in HU, readers' votes and ratings (docs/nodule-archive.md).

lidc_nodules.npz   hu, readers, n_readers and the nodule of each slice
nodules.csv        one row a nodule: patient, ratings, spacing, diagnosis
slices.csv         one row a slice: its nodule and its z
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from lung_ssp.cohort.nodules.readings import (
    MOST_READERS,
    OneToFive,
    OneToFour,
    OneToSix,
    Overlap,
    Overlaps,
)
from lung_ssp.cohort.ratings import RATINGS
from lung_ssp.cohort.store import check_patient
from lung_ssp.ct.hounsfield import LOWEST_HU
from lung_ssp.errors import CohortError, DamagedFile
from lung_ssp.files import read_npz
from lung_ssp.formats import ArrayForm
from lung_ssp.paths import is_plain_name
from lung_ssp.records import TableRow, read_table

SLICES_FILE, NODULE_TABLE, SLICE_TABLE = "lidc_nodules.npz", "nodules.csv", "slices.csv"
FILES = (SLICES_FILE, NODULE_TABLE, SLICE_TABLE)
REMEDY = "correct the archive as docs/nodule-archive.md describes it"
ARRAYS = {
    "hu": ArrayForm("i", 3),
    "readers": ArrayForm("u", 3),
    **{name: ArrayForm("iu", 1) for name in ("n_readers", "nodule")},
}


def check_nodule_id(text: str) -> str:
    """PATIENT/NODULE: the patient's name and the nodule's, of which together a file's name can be made.

    Raises:
        ValueError: it is not.
    """
    patient, slash, nodule = text.partition("/")
    if not slash or not is_plain_name(patient) or not is_plain_name(nodule) or not is_plain_name(f"{patient}-{nodule}"):
        raise ValueError("expected PATIENT/NODULE, of which the name of a file can be made")
    check_patient(patient)
    return text


class ArchiveRow(TableRow):
    """A row of nodules.csv; further columns are left alone."""

    nodule: int = Field(ge=0)
    nodule_id: Annotated[str, AfterValidator(check_nodule_id)]
    patient: int = Field(ge=0)
    n_slices: int = Field(ge=1)
    pixel_mm: float = Field(gt=0, le=10)
    slice_spacing_mm: float = Field(gt=0, le=20)
    n_readers: int = Field(ge=1, le=MOST_READERS)
    n_annotations: int = Field(ge=1, le=MOST_READERS)
    reader_mask_missing: bool
    malignancy: OneToFive
    subtlety: OneToFive
    sphericity: OneToFive
    margin: OneToFive
    lobulation: OneToFive
    spiculation: OneToFive
    texture: OneToFive
    internalStructure: OneToFour
    calcification: OneToSix
    diameter_consensus_mm: float = Field(gt=0, le=500)
    patient_dx: int = Field(ge=0, le=3)
    patient_dx_method: int = Field(ge=0, le=4)
    lidc_nodules_of_patient: int = Field(ge=1)
    nodule_dx: int = Field(ge=-1, le=3)
    nodule_dx_method: int = Field(ge=-1, le=4)
    dice_pairwise: Overlap
    dice_vs_majority: Overlaps
    series_uid: str = ""


class SliceRow(TableRow):
    """A row of slices.csv."""

    slice: int = Field(ge=0)
    nodule: int = Field(ge=0)
    patient: int = Field(ge=0)
    z_mm: float


@dataclass(frozen=True)
class RecordedDiagnosis:
    """What a table of diagnoses says: 0 unknown, 1 benign, 2 primary cancer, 3 metastatic; -1 nothing.

    method: 0 unknown, 1 two years stable, 2 biopsy, 3 resection, 4 progression or response; -1 nothing.
    """

    code: int
    method: int


@dataclass(frozen=True, eq=False)
class ArchivedNodule:
    """One nodule of an archive.

    name: PATIENT-NODULE. hu: int16 (z, y, x), from -1024. readers: uint8 (z, y, x), how many marked the voxel.
    z_mm: float64 (z,), rising. spacing: mm (z, y, x). ratings: of all readers, by name (RATINGS).
    diagnosis: of the very nodule. patient_diagnosis: of its patient. nodules_of_patient: of 3 mm or more.
    dice_vs_majority: of each reader against most of the others; dice_pairwise: the mean over pairs. series: its UID.
    """

    name: str
    patient: str
    hu: np.ndarray
    readers: np.ndarray
    z_mm: np.ndarray
    spacing: tuple[float, float, float]
    n_readers: int
    reader_mask_missing: bool
    ratings: dict[str, tuple[int, ...]]
    diameter_mm: float
    diagnosis: RecordedDiagnosis
    patient_diagnosis: RecordedDiagnosis
    nodules_of_patient: int
    dice_vs_majority: tuple[float, ...]
    dice_pairwise: float | None
    series: str

    @property
    def majority(self) -> np.ndarray:
        """bool (z, y, x): what at least half of the readers marked."""
        return majority_of(self.readers, self.n_readers)


def majority_of(readers: np.ndarray, n_readers: int) -> np.ndarray:
    """bool: where at least half of the readers marked, of uint8 counts."""
    return 2 * readers.astype(np.int16) >= n_readers


def read_archive(folder: Path) -> list[ArchivedNodule]:
    """The nodules of an archive, sorted by their names.

    Raises:
        CohortError: a file is missing or damaged, or one contradicts another; it names the file and the place.
    """
    folder = Path(folder)
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise CohortError(
            f"{folder} is no archive of nodules, it lacks {', '.join(missing)}: name its folder with "
            "-o cohort.archive=FOLDER."
        )
    try:
        rows = read_table(folder / NODULE_TABLE, ArchiveRow, REMEDY)
        slices = read_table(folder / SLICE_TABLE, SliceRow, REMEDY)
        arrays = read_npz(folder / SLICES_FILE, ARRAYS, REMEDY)
    except DamagedFile as error:
        raise CohortError(str(error)) from error
    if problem := _problem_of_rows(rows):
        raise CohortError(f"{folder / NODULE_TABLE}: {problem}: {REMEDY}.")
    if problem := _problem_of_arrays(arrays):
        raise CohortError(f"{folder / SLICES_FILE}: {problem}: {REMEDY}.")
    if problem := _problem_of_slices(slices, rows, arrays):
        raise CohortError(f"{folder / SLICE_TABLE}: {problem}: {REMEDY}.")
    places = np.array([row.nodule for row in slices])
    z_mm = np.array([row.z_mm for row in slices])
    nodules = []
    for row in rows:
        own = np.flatnonzero(places == row.nodule)
        nodule = _nodule(row, arrays["hu"][own], arrays["readers"][own], z_mm[own])
        if problem := _problem_of_nodule(row, nodule, arrays["n_readers"][own]):
            raise CohortError(f"{folder}: the nodule {row.nodule_id} {problem}: {REMEDY}.")
        nodules.append(nodule)
    return sorted(nodules, key=lambda nodule: nodule.name)


def _problem_of_rows(rows: list[ArchiveRow]) -> str:
    """What is wrong with nodules.csv, as part of a sentence; empty where nothing is."""
    if not rows:
        return "it has no nodules"
    for column, values in (
        ("nodule", [str(row.nodule) for row in rows]),
        ("nodule_id", [row.nodule_id.replace("/", "-") for row in rows]),
    ):
        value, times = Counter(values).most_common(1)[0]
        if times > 1:
            return f"the {column} {value} stands there {times} times"
    names: dict[int, str] = {}
    numbers: dict[str, int] = {}
    diagnoses: dict[int, tuple[int, int]] = {}
    for row in rows:
        name = row.nodule_id.partition("/")[0]
        if names.setdefault(row.patient, name) != name or numbers.setdefault(name, row.patient) != row.patient:
            return f"the patient {row.patient} of {row.nodule_id} is another one elsewhere"
        recorded = row.patient_dx, row.patient_dx_method
        if diagnoses.setdefault(row.patient, recorded) != recorded:
            return f"{row.nodule_id} has another patient_dx or patient_dx_method than other nodules of its patient"
        if row.n_readers > row.n_annotations or (row.n_readers < row.n_annotations and not row.reader_mask_missing):
            return (
                f"{row.nodule_id} has {row.n_readers} readers' masks (n_readers) of {row.n_annotations} annotations, "
                "but reader_mask_missing is not 1"
            )
        if len(row.dice_vs_majority) not in (0, row.n_readers):
            return (
                f"{row.nodule_id} has {len(row.dice_vs_majority)} values of dice_vs_majority, but n_readers is "
                f"{row.n_readers}: one of each reader, or none"
            )
        for rating in RATINGS:
            if (count := len(getattr(row, rating))) != row.n_annotations:
                return f"{row.nodule_id} has {count} ratings of {rating}, but n_annotations is {row.n_annotations}"
    return ""


def _problem_of_arrays(arrays: dict[str, np.ndarray]) -> str:
    """What is wrong with the slices' arrays, likewise."""
    hu, readers = arrays["hu"], arrays["readers"]
    if hu.dtype != np.int16 or readers.dtype != np.uint8:
        return f"hu is {hu.dtype} and readers {readers.dtype}, not int16 and uint8"
    if hu.shape != readers.shape or not hu.size:
        return f"hu has the shape {hu.shape}, readers {readers.shape}"
    for name in ("n_readers", "nodule"):
        if len(arrays[name]) != len(hu):
            return f"it has {len(hu)} slices, but {name} has {len(arrays[name])} values"
    return ""


def _problem_of_slices(slices: list[SliceRow], rows: list[ArchiveRow], arrays: dict[str, np.ndarray]) -> str:
    """What is wrong with slices.csv beside the nodules and the arrays, likewise."""
    if len(slices) != len(arrays["hu"]):
        return f"it has {len(slices)} rows, but {SLICES_FILE} {len(arrays['hu'])} slices"
    patients = {row.nodule: row.patient for row in rows}
    for number, (row, nodule) in enumerate(zip(slices, arrays["nodule"].tolist(), strict=True)):
        if row.slice != number:
            return f"row {number + 1} is of slice {row.slice}, not {number}"
        if row.nodule not in patients:
            return f"slice {number} is of the nodule {row.nodule}, which {NODULE_TABLE} does not have"
        if row.nodule != nodule:
            return f"slice {number} is of the nodule {row.nodule}, but of {nodule} in {SLICES_FILE}"
        if row.patient != patients[row.nodule]:
            return f"slice {number} is of patient {row.patient}, but its nodule of {patients[row.nodule]}"
    return ""


def _problem_of_nodule(row: ArchiveRow, nodule: ArchivedNodule, n_readers: np.ndarray) -> str:
    """What is wrong with one nodule's slices, likewise."""
    if len(nodule.hu) != row.n_slices:
        return f"has {len(nodule.hu)} slices, but n_slices is {row.n_slices}"
    if (n_readers != row.n_readers).any():
        return f"has n_readers {row.n_readers}, but other numbers in {SLICES_FILE}"
    if nodule.readers.max() > row.n_readers:
        return f"has voxels that {nodule.readers.max()} readers marked, but n_readers is {row.n_readers}"
    if not nodule.majority.any():
        return "has no voxel that half of its readers marked"
    if (np.diff(nodule.z_mm) <= 0).any():
        return "has slices whose z_mm does not rise"
    return ""


def _nodule(row: ArchiveRow, hu: np.ndarray, readers: np.ndarray, z_mm: np.ndarray) -> ArchivedNodule:
    return ArchivedNodule(
        name=row.nodule_id.replace("/", "-"),
        patient=row.nodule_id.partition("/")[0],
        hu=np.maximum(hu, np.int16(LOWEST_HU)),  # padding outside of the field of view
        readers=readers,
        z_mm=z_mm,
        spacing=(row.slice_spacing_mm, row.pixel_mm, row.pixel_mm),
        n_readers=row.n_readers,
        reader_mask_missing=row.reader_mask_missing,
        ratings={rating: getattr(row, rating) for rating in RATINGS},
        diameter_mm=row.diameter_consensus_mm,
        diagnosis=RecordedDiagnosis(row.nodule_dx, row.nodule_dx_method),
        patient_diagnosis=RecordedDiagnosis(row.patient_dx, row.patient_dx_method),
        nodules_of_patient=row.lidc_nodules_of_patient,
        dice_vs_majority=row.dice_vs_majority,
        dice_pairwise=row.dice_pairwise,
        series=row.series_uid,
    )
