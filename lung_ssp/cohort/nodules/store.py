"""The nodules of a prepared cohort: <root>/nodules.csv, and each one on its own grid in <root>/nodules/<name>.npz."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.nodules.archive import ArchivedNodule, majority_of
from lung_ssp.cohort.nodules.folds import read_folds
from lung_ssp.cohort.nodules.readings import (
    MOST_READERS,
    OneToFive,
    OneToFour,
    OneToSix,
    Overlap,
)
from lung_ssp.cohort.nodules.settings import FOLDS
from lung_ssp.cohort.ratings import RATINGS
from lung_ssp.cohort.store import MOST_CLASSES, REMEDY, Patient, Split, load_arrays, read_rows, write_table
from lung_ssp.ct.hounsfield import LOWEST_HU
from lung_ssp.errors import CohortError
from lung_ssp.files import write_atomically
from lung_ssp.formats import ArrayForm
from lung_ssp.paths import is_plain_name
from lung_ssp.records import TableRow

FOLDER, TABLE = "nodules", "nodules.csv"
ARRAYS = {
    "hu": ArrayForm("i", 3),
    "readers": ArrayForm("u", 3),
    "z_mm": ArrayForm("f", 1),
    "spacing": ArrayForm("f", shape=(3,)),
}


def check_name(name: str) -> str:
    """The name of a nodule's file.

    Raises:
        ValueError: it is none.
    """
    if not is_plain_name(name):
        raise ValueError("expected the name of a file")
    return name


class NoduleRow(TableRow):
    """A row of nodules.csv. Labels are classes of cohort.json, -1 where there is none; so are the diagnoses.

    n_readers: whose votes are in the file. ratings: of all readers. diameter_mm: of the circle with the majority's area
    on its largest slice. diagnosis_method: 0 unknown, 1 two years stable, 2 biopsy, 3 resection, 4 progression or
    response; -1 where there is no pathology diagnosis. patient_diagnosis, patient_diagnosis_method: likewise of the
    patient as a whole. dice_vs_majority, dice_pairwise: how well the readers agree, means; None where it is unknown.
    """

    name: Annotated[str, AfterValidator(check_name)]
    patient: Patient
    split: Split
    fold: int = Field(ge=0, lt=FOLDS)
    n_readers: int = Field(ge=1, le=MOST_READERS)
    reader_mask_missing: bool
    pixel_mm: float = Field(gt=0)
    slice_spacing_mm: float = Field(gt=0)
    diameter_mm: float = Field(gt=0)
    texture_mean: float = Field(ge=1, le=5)
    malignancy_mean: float = Field(ge=1, le=5)
    malignancy: OneToFive
    subtlety: OneToFive
    sphericity: OneToFive
    margin: OneToFive
    lobulation: OneToFive
    spiculation: OneToFive
    texture: OneToFive
    internalStructure: OneToFour
    calcification: OneToSix
    image_label: int = Field(ge=MISSING, lt=MOST_CLASSES)
    pathology_label: int = Field(ge=MISSING, lt=MOST_CLASSES)
    diagnosis_method: int = Field(ge=-1, le=4)
    patient_diagnosis: int = Field(ge=MISSING, lt=MOST_CLASSES)
    patient_diagnosis_method: int = Field(ge=-1, le=4)
    dice_vs_majority: Overlap
    dice_pairwise: Overlap


@dataclass(frozen=True, eq=False)
class StoredNodule:
    """A nodule of a prepared cohort, on its own grid.

    row: what nodules.csv says of it. hu: int16 (z, y, x), from -1024. readers: uint8 (z, y, x), how many readers marked
    the voxel. z_mm: float64 (z,), rising; a slice may be missing between two. spacing: float64 (3,) mm (z, y, x).
    """

    row: NoduleRow
    hu: np.ndarray
    readers: np.ndarray
    z_mm: np.ndarray
    spacing: np.ndarray

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def patient(self) -> str:
        return self.row.patient

    @property
    def n_readers(self) -> int:
        return self.row.n_readers

    @property
    def majority(self) -> np.ndarray:
        """bool (z, y, x): what at least half of the readers marked."""
        return majority_of(self.readers, self.n_readers)


def write_nodules(root: Path, nodules: Sequence[ArchivedNodule], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the files of the nodules, and nodules.csv with the columns of `NoduleRow`."""
    for nodule in nodules:
        write_nodule(root / FOLDER / f"{nodule.name}.npz", nodule)
    text = [{**row, **{rating: ";".join(map(str, row[rating])) for rating in RATINGS}} for row in rows]
    write_table(root / TABLE, text, list(NoduleRow.model_fields))


def write_nodule(path: Path, nodule: ArchivedNodule) -> None:
    """Write one nodule's arrays, atomically."""
    write_atomically(
        path,
        lambda file: np.savez(
            file, hu=nodule.hu, readers=nodule.readers, z_mm=nodule.z_mm, spacing=np.array(nodule.spacing)
        ),
    )


def has_nodules(root: Path) -> bool:
    """Whether a prepared cohort holds nodules with readers' votes."""
    return (Path(root) / TABLE).is_file()


def read_nodule_table(root: Path) -> list[NoduleRow]:
    """The rows of nodules.csv.

    Raises:
        CohortError: it is missing or damaged.
    """
    path = Path(root) / TABLE
    if not path.is_file():
        raise CohortError(
            f"{root} holds no nodules with readers' votes: prepare one with "
            "lung-ssp prepare --config cohort/lidc_nodules.yml."
        )
    return read_rows(path, NoduleRow, REMEDY)


def read_nodules(root: Path, split: str) -> list[StoredNodule]:
    """The nodules of one split of a prepared cohort, in the order of nodules.csv.

    Raises:
        CohortError: the cohort has no nodules, or a file is missing or damaged.
    """
    return [read_nodule(root, row) for row in read_nodule_table(root) if row.split == split]


def read_nodule(root: Path, row: NoduleRow) -> StoredNodule:
    """One nodule of a prepared cohort; raises as `read_nodules` does."""
    path = Path(root) / FOLDER / f"{row.name}.npz"
    arrays = load_arrays(path, ARRAYS)
    nodule = StoredNodule(row, **arrays)
    if problem := _problem_of(nodule):
        raise CohortError(f"{path} is damaged, {problem}: {REMEDY}.")
    return nodule


def _problem_of(nodule: StoredNodule) -> str:
    """What is wrong with a nodule's arrays, as part of a sentence; empty where nothing is."""
    hu, readers, z_mm, spacing = nodule.hu, nodule.readers, nodule.z_mm, nodule.spacing
    if (hu.dtype, readers.dtype, z_mm.dtype, spacing.dtype) != (np.int16, np.uint8, np.float64, np.float64):
        return "its arrays are not int16, uint8 and float64"
    if hu.shape != readers.shape or len(z_mm) != len(hu) or not hu.size:
        return "its arrays are not of one shape"
    if hu.min() < LOWEST_HU:
        return f"it has HU below {LOWEST_HU}"
    if not np.isfinite(z_mm).all() or (np.diff(z_mm) <= 0).any():
        return "its z_mm does not rise"
    step = nodule.row.slice_spacing_mm, nodule.row.pixel_mm, nodule.row.pixel_mm
    if tuple(spacing.tolist()) != step:
        return f"its spacing is not that of {TABLE}"
    if readers.max() > nodule.n_readers or not nodule.majority.any():
        return f"its readers are not the {nodule.n_readers} of {TABLE}"
    return ""


def nodule_digests(root: Path) -> Iterator[bytes]:
    """The part of its nodules in a cohort's fingerprint; nothing where the cohort has none."""
    for row in read_nodule_table(root) if has_nodules(root) else []:
        nodule = read_nodule(root, row)
        yield json.dumps(dict(row)).encode()
        yield from (array.tobytes() for array in (nodule.hu, nodule.readers, nodule.z_mm, nodule.spacing))


def problems_of_nodules(root: Path) -> Iterator[str]:
    """Whether the nodules keep to the folds that the cohort has drawn; raises as `read_nodules` does."""
    folds = read_folds(root)
    for row in read_nodule_table(root):
        if folds.get(row.patient) != row.fold:
            yield f"{row.name} is in fold {row.fold}, but its patient is not in folds.csv"
