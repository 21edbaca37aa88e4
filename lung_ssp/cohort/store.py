"""A prepared cohort on disk: what preparation writes and what training, evaluation and diagnosis read.

    <root>/cohort.json            its description (cohort/description.py)
    <root>/preparation.json       what the cohort is made from, noted before anything else
    <root>/sections.csv           one row a section: patient, split, labels, where it came from
    <root>/sections/<split>.npz   the sections of a split with their labels, same order as in sections.csv
    <root>/splits.csv             the split of each patient
    <root>/scans.csv              one row a CT series: patient, split, folder, masks (where they are known), and a name
                                  of its own where a patient has several
    <root>/slices/<name>.npz      slices for the segmentation network
    <root>/nodules.csv, nodules/  a cohort of nodules: a row and a file a nodule (nodules/store.py), and folds.csv
    <root>/candidates.csv,        a cohort of candidates: a row a candidate, and the patches of a split
      candidates/<split>.npz        (candidates/store.py)
    <root>/tiles/<split>.npz      tiles of the patients' pathology slides (slides/store.py), where there are any

The embedded cohort also has scans/ (the DICOM series and their true masks), lesions.csv and tables/ (NLST's tables),
and, where it has slides, slides/ (the DICOM files) and slides.csv; files.json holds the hash of every file.
A cohort without scans has no scans.csv and no slices, and one without labelled lesions no sections.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import pandas as pd
from pydantic import AfterValidator

from lung_ssp.cohort.classes import CLASS_NAMES, MISSING, TASK_NAMES
from lung_ssp.cohort.description import CohortCounts
from lung_ssp.errors import CohortError, DamagedFile
from lung_ssp.files import read_npz, write_atomically, write_json, write_text
from lung_ssp.folders import alone_in, others_in, refuse_links, tidy_below
from lung_ssp.formats import ArrayForm
from lung_ssp.paths import is_one_line
from lung_ssp.records import TableRow, read_record, read_table
from lung_ssp.settings import Settings

PREPARATION_FILE = "preparation.json"
SPLITS = ("train", "validation", "test")
REMEDY = "remove the folder and prepare the cohort again"
RowT = TypeVar("RowT", bound=TableRow)
LONGEST_PATIENT = 200  # characters
MOST_CLASSES = 1000  # of a task
SECTION_ARRAYS = {
    "images": ArrayForm("f", 3),
    **{f"{task}_labels": ArrayForm("iu", 1) for task in TASK_NAMES},
    "patients": ArrayForm("U", 1),
}


def check_patient(name: str) -> str:
    """The name of a patient, in one line and of at most LONGEST_PATIENT characters.

    Raises:
        ValueError: it is none.
    """
    if not name or not is_one_line(name) or len(name) > LONGEST_PATIENT:
        raise ValueError(f"a patient's name has 1 to {LONGEST_PATIENT} characters in one line")
    return name


# columns of the tables of a cohort
Split = Literal["train", "validation", "test"]
Patient = Annotated[str, AfterValidator(check_patient)]


@dataclass(frozen=True)
class Sections:
    """The labelled sections of one split.

    images: float32 (n, height, width), HU clipped and scaled to 0..1 (ct/section.py).
    labels: by task name (cohort/classes.py), int64 (n,): `image` the reader's opinion, `pathology` the pathologist's;
        a class 0..8, or -1 where there is none.
    patients: (n,) text, who each section belongs to.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]
    patients: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def write_sections(root: Path, split: str, sections: Sections) -> None:
    """Write one split's sections to <root>/sections/<split>.npz, atomically."""
    write_atomically(
        Path(root) / "sections" / f"{split}.npz",
        lambda file: np.savez(
            file,
            images=sections.images.astype(np.float32),
            **{f"{task}_labels": sections.labels[task].astype(np.int64) for task in TASK_NAMES},
            patients=sections.patients.astype(str),
        ),
    )


def read_sections(root: Path, split: str) -> Sections:
    """Read one split's sections.

    Raises:
        CohortError: the file is missing, is no npz file, lacks one of the arrays, or holds what no sections are.
    """
    path = Path(root) / "sections" / f"{split}.npz"
    if not path.is_file():
        raise CohortError(f"{path} does not exist: prepare the cohort first (lung-ssp prepare --config ...).")
    arrays = load_arrays(path, SECTION_ARRAYS)
    labels = {task: arrays[f"{task}_labels"] for task in TASK_NAMES}
    sections = Sections(arrays["images"], labels, arrays["patients"])
    if problem := problem_of_sections(sections):
        raise CohortError(f"{path} is damaged, {problem}: {REMEDY}.")
    return sections


def problem_of_sections(sections: Sections) -> str:
    """What is wrong with the sections of a split, as part of a sentence; empty where nothing is."""
    images = sections.images
    if images.dtype != np.float32:
        return f"its images are {images.dtype}, not float32"
    if any(len(own) != len(images) for own in (*sections.labels.values(), sections.patients)):
        return f"it has {len(images)} sections, but other numbers of labels or patients"
    if not images.size:
        return ""
    low, high = images.min(), images.max()
    if not np.isfinite([low, high]).all():
        return "its images have values that are not finite"
    if low < 0 or high > 1:
        return "its images have values outside 0..1"
    if any(labels.min() < MISSING or labels.max() >= MOST_CLASSES for labels in sections.labels.values()):
        return f"a label is none of {MISSING} to {MOST_CLASSES - 1}"
    try:
        for patient in set(sections.patients.tolist()):
            check_patient(patient)
    except ValueError as error:
        return str(error)
    return ""


def load_arrays(path: Path, names: Sequence[str] | Mapping[str, ArrayForm]) -> dict[str, np.ndarray]:
    """The named arrays of an npz file of a cohort, each of the form that is asked for.

    Raises:
        CohortError: the file is no npz file, lacks one of them, or has it in another form.
    """
    try:
        return read_npz(path, names, "prepare the cohort again")
    except DamagedFile as error:
        raise CohortError(str(error)) from error


def read_rows(path: Path, row_type: type[RowT], remedy: str) -> list[RowT]:
    """The rows of a cohort's table; raises a CohortError where it is missing or damaged."""
    try:
        return read_table(path, row_type, remedy)
    except DamagedFile as error:
        raise CohortError(str(error)) from error


def write_table(
    path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None, decimals: int | None = None
) -> None:
    """Write rows as CSV, with these columns or those of the rows; whole numbers with gaps stay whole."""
    table = pd.DataFrame(rows, columns=columns)
    for column in table.select_dtypes("float"):
        if (table[column].dropna() % 1 == 0).all():
            table[column] = table[column].astype("Int64")
    write_text(path, (table if decimals is None else table.round(decimals)).to_csv(index=False))


def refuse_other_cohort(root: Path, key: str) -> None:
    """Make sure that `root` is empty or holds (part of) the very cohort that `key` stands for.

    Raises:
        CohortError: it holds another cohort or other files.
    """
    refuse_other_files(root)
    note = root / PREPARATION_FILE
    if note.is_file() and _noted(note) != key:
        raise CohortError(
            f"{root} holds another cohort, of other settings, data or another seed: choose another folder "
            "(cohort.root, or folders.cohort), or remove that one."
        )


class PreparationNote(Settings):
    """What preparation.json says."""

    key: str


def _noted(path: Path) -> str:
    """The key of the cohort that is being made in a folder."""
    try:
        return read_record(path, PreparationNote, REMEDY).key
    except DamagedFile as error:
        raise CohortError(str(error)) from error


def refuse_other_files(root: Path) -> None:
    """Make sure that `root` is empty or holds (part of) a cohort, and no links, through which files would go elsewhere.

    A lock, and what a killed process left half written, count as nothing.

    Raises:
        CohortError: it is a file, or holds other files.
        LungSspError: it holds a link.
    """
    problem = CohortError(
        f"{root} is not an empty folder and holds no cohort: choose another (cohort.root, or folders.cohort)."
    )
    if not root.exists() and not root.is_symlink():
        return
    if not root.is_dir():
        raise problem
    others = {name for name in others_in(root) if not name.startswith(f".{PREPARATION_FILE}.")}
    if others and PREPARATION_FILE not in others:
        raise problem
    refuse_links(root, sorted(others))


@contextmanager
def alone_in_cohort(root: Path) -> Iterator[None]:
    """Keep a second preparation out of a cohort's folder, and remove what a killed one left half written in it.

    Raises:
        LungSspError: another one works there, or the folder holds other files or links.
    """
    refuse_other_files(root)
    with alone_in(root):
        tidy_below(root)
        yield


def mark_folder(root: Path, key: str) -> None:
    """Note in `root` which cohort is being made there; raises as `refuse_other_cohort` does."""
    refuse_other_cohort(root, key)
    if not (root / PREPARATION_FILE).is_file():
        write_json(root / PREPARATION_FILE, {"key": key})


def class_counts(sections: Sections) -> dict[str, list[int]]:
    """How many of a split's sections each task gives to each class 0..8; missing labels are not counted."""
    return {
        task: np.bincount(labels[labels != MISSING], minlength=len(CLASS_NAMES)).tolist()
        for task, labels in sections.labels.items()
    }


def section_counts(splits: Mapping[str, Sections]) -> CohortCounts:
    """How many sections, and patients with one, each split has, and how many of each class."""
    return CohortCounts(
        sections={split: len(sections) for split, sections in splits.items()},
        patients={split: len(set(sections.patients.tolist())) for split, sections in splits.items()},
        classes={split: class_counts(sections) for split, sections in splits.items()},
    )


def contents_digest(splits: Iterable[Sections], *more: bytes) -> str:
    """A fingerprint of what a cohort holds: of its sections with labels and patients, and of anything more."""
    digest = hashlib.sha256()
    for sections in splits:
        for array in (sections.images, *(sections.labels[task] for task in TASK_NAMES)):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update("\n".join(sections.patients.tolist()).encode())
    for part in more:
        digest.update(part)
    return digest.hexdigest()[:16]
