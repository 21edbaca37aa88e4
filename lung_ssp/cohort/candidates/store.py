"""The candidates of a prepared cohort: <root>/candidates.csv, and their patches in <root>/candidates/<split>.npz."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, ValidationError

from lung_ssp.cohort.store import REMEDY, SPLITS, Patient, Split, load_arrays, read_rows, write_table
from lung_ssp.ct.hounsfield import LOWEST_HU
from lung_ssp.ct.settings import PatchSettings
from lung_ssp.errors import CohortError
from lung_ssp.files import write_atomically
from lung_ssp.formats import ArrayForm
from lung_ssp.records import TableRow

FOLDER, TABLE = "candidates", "candidates.csv"
ARRAYS = {"hu": ArrayForm("i", 4), "settings": ArrayForm("U", 0)}

Kind = Literal["nodule", "grafted", "found", "random"]


def _or_nothing(text: Any) -> Any:
    """None of an empty field."""
    return None if text == "" else text


OptionalDiameter = Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_or_nothing)]
OptionalScore = Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(_or_nothing)]


class CandidateRow(TableRow):
    """A row of candidates.csv.

    source: name of the cohort that it comes from. scan: of the scan or the nodule there. kind: a nodule that readers
    or the generator marked, or one of an archive that was set into a scan; false: found by the segmentation network, or
    a random place. z, y, x: its centre in voxels of that scan. diameter_mm: of a nodule or a found candidate. score: of
    the network, of what it has found.
    """

    patient: Patient
    split: Split
    source: str = Field(min_length=1, max_length=200)
    scan: str = Field(min_length=1, max_length=200)
    kind: Kind
    z: float
    y: float
    x: float
    diameter_mm: OptionalDiameter
    score: OptionalScore

    @property
    def is_nodule(self) -> bool:
        return self.kind in ("nodule", "grafted")


@dataclass(frozen=True, eq=False)
class Candidates:
    """The candidates of one split.

    rows: one a candidate. hu: int16 (n, slices, size, size), their patches (ct/patch.py). settings: of the patches.
    """

    rows: list[CandidateRow]
    hu: np.ndarray
    settings: PatchSettings

    @property
    def nodule(self) -> np.ndarray:
        """bool (n,): which are nodules."""
        return np.array([row.is_nodule for row in self.rows], bool)

    @property
    def sources(self) -> np.ndarray:
        """(n,) text: the cohort that each comes from."""
        return np.array([row.source for row in self.rows], str)


def write_candidates(
    root: Path, rows: Sequence[Mapping[str, Any]], patches: Sequence[np.ndarray], settings: PatchSettings
) -> None:
    """Write candidates.csv in the order of the rows, and the patches of each split."""
    for split in SPLITS:
        own = [patch for row, patch in zip(rows, patches, strict=True) if row["split"] == split]
        hu = np.array(own, np.int16).reshape(-1, settings.slices, settings.size, settings.size)
        _write_patches(root / FOLDER / f"{split}.npz", hu, settings)
    write_table(root / TABLE, rows, list(CandidateRow.model_fields))


def _write_patches(path: Path, hu: np.ndarray, settings: PatchSettings) -> None:
    made_with = np.array(json.dumps(settings.model_dump(), sort_keys=True))
    write_atomically(path, lambda file: np.savez_compressed(file, hu=hu, settings=made_with))


def has_candidates(root: Path) -> bool:
    """Whether a prepared cohort holds candidates."""
    return (Path(root) / TABLE).is_file()


def read_candidate_table(root: Path) -> list[CandidateRow]:
    """The rows of candidates.csv.

    Raises:
        CohortError: it is missing or damaged.
    """
    path = Path(root) / TABLE
    if not path.is_file():
        raise CohortError(
            f"{root} holds no candidates: prepare them with lung-ssp prepare --config cohort/candidates.yml."
        )
    return read_rows(path, CandidateRow, REMEDY)


def read_candidates(root: Path, split: str) -> Candidates:
    """The candidates of one split of a prepared cohort, in the order of candidates.csv.

    Raises:
        CohortError: the cohort has no candidates, or a file is missing or damaged.
    """
    rows = [row for row in read_candidate_table(root) if row.split == split]
    path = Path(root) / FOLDER / f"{split}.npz"
    arrays = load_arrays(path, ARRAYS)
    hu = arrays["hu"]
    try:
        settings = PatchSettings.model_validate_json(str(arrays["settings"]))
    except ValidationError:
        raise CohortError(f"{path} is damaged, it does not say how its patches were made: {REMEDY}.") from None
    if hu.dtype != np.int16 or hu.shape != (len(rows), settings.slices, settings.size, settings.size):
        raise CohortError(f"{path} is damaged, its patches are not those of {TABLE}: {REMEDY}.")
    if hu.size and hu.min() < LOWEST_HU:
        raise CohortError(f"{path} is damaged, it has HU below {LOWEST_HU}: {REMEDY}.")
    return Candidates(rows, hu, settings)


def patients_with_candidates(root: Path, split: str) -> set[str]:
    """Who has candidates in a split; nobody where the cohort has none.

    Raises:
        CohortError: candidates.csv is damaged.
    """
    return {row.patient for row in read_candidate_table(root) if row.split == split} if has_candidates(root) else set()


def candidate_digests(root: Path) -> Iterator[bytes]:
    """The part of its candidates in a cohort's fingerprint; nothing where the cohort has none."""
    for split in SPLITS if has_candidates(root) else ():
        candidates = read_candidates(root, split)
        yield json.dumps([dict(row) for row in candidates.rows]).encode()
        yield candidates.hu.tobytes()
