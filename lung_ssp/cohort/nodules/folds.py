"""Five folds by patient, drawn from a seed, with about as many nodules of each class."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from lung_ssp.cohort.nodules.settings import FOLDS
from lung_ssp.cohort.store import REMEDY, Patient, write_table
from lung_ssp.errors import CohortError, DamagedFile
from lung_ssp.records import TableRow, read_table

FOLDS_TABLE = "folds.csv"


@dataclass(frozen=True)
class FoldMember:
    """A nodule to divide: its name, its patient, and the class whose nodules are spread evenly."""

    name: str
    patient: str
    stratum: int


class FoldRow(TableRow):
    """A row of folds.csv."""

    patient: Patient
    fold: int = Field(ge=0, lt=FOLDS)


def draw_folds(members: Sequence[FoldMember], seed: int) -> dict[str, int]:
    """The fold 0..4 of each patient; the order of `members` makes no difference.

    Raises:
        CohortError: there are fewer patients than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    ordered = sorted(members, key=lambda member: (member.patient, member.name))
    patients = np.array([member.patient for member in ordered])
    if (count := len(set(patients.tolist()))) < FOLDS:
        raise CohortError(f"The archive has nodules of {count} patients, but {FOLDS} folds need one each at least.")
    strata = np.array([member.stratum for member in ordered])
    if np.unique(strata, return_counts=True)[1].max() < FOLDS:  # which the library refuses
        strata = np.zeros_like(strata)
    division = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class with fewer nodules than folds
        parts = list(division.split(patients, strata, patients))
    return {patient: fold for fold, (_, chosen) in enumerate(parts) for patient in patients[chosen].tolist()}


def split_of_fold(fold: int, test_fold: int) -> str:
    """The split that a fold is where `test_fold` is the test split: the next fold is the validation split."""
    if fold == test_fold:
        return "test"
    return "validation" if fold == (test_fold + 1) % FOLDS else "train"


def write_folds(root: Path, folds: dict[str, int]) -> None:
    """Write <root>/folds.csv, one row a patient."""
    rows = [{"patient": patient, "fold": folds[patient]} for patient in sorted(folds)]
    write_table(root / FOLDS_TABLE, rows, list(FoldRow.model_fields))


def read_folds(root: Path) -> dict[str, int]:
    """The fold of each patient of a prepared cohort of nodules.

    Raises:
        CohortError: folds.csv is damaged.
    """
    try:
        return {row.patient: row.fold for row in read_table(Path(root) / FOLDS_TABLE, FoldRow, REMEDY)}
    except DamagedFile as error:
        raise CohortError(str(error)) from error
