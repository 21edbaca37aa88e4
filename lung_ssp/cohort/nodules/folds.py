"""Five folds by patient, drawn from a seed, with about as many nodules of each class."""

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

    Those with the most nodules come first, in random order where they have as many; each goes into the fold in which
    the classes are then spread most evenly, and of equal folds into the one with the fewest patients. (scikit-learn's
    StratifiedGroupKFold forgets the classes where it shuffles: it put 22 to 44 of 146 benign nodules into a fold.)

    Raises:
        CohortError: there are fewer patients than folds.
    """
    patients, owner = np.unique([member.patient for member in members], return_inverse=True)
    strata, stratum = np.unique([member.stratum for member in members], return_inverse=True)
    if len(patients) < FOLDS:
        raise CohortError(
            f"The archive has nodules of {len(patients)} patients, but {FOLDS} folds need one each at least."
        )
    counts = np.zeros((len(patients), len(strata)))
    np.add.at(counts, (owner, stratum), 1)
    order = np.random.default_rng(seed).permutation(len(patients))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    shares = counts / counts.sum(axis=0)
    held, size = np.zeros((FOLDS, len(strata))), np.zeros(FOLDS)
    fold_of: dict[str, int] = {}
    for patient in order.tolist():
        # the sum of squares that grows least is the most even one
        growth = (held * shares[patient]).sum(axis=1).round(12)
        fold = int(np.lexsort((size, growth))[0])
        held[fold] += shares[patient]
        size[fold] += 1
        fold_of[str(patients[patient])] = fold
    return fold_of


def split_of_fold(fold: int, test_fold: int | None) -> str:
    """The split that a fold is where `test_fold` is the test split: the next fold is the validation split.

    Without a test fold, fold 0 is the validation split, and all others train.
    """
    if fold == test_fold:
        return "test"
    validation_fold = 0 if test_fold is None else (test_fold + 1) % FOLDS
    return "validation" if fold == validation_fold else "train"


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
