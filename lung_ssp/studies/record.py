"""The output folder of a study: whose it is, what each finished run notes beside its own folder, what it predicted."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from lung_ssp.errors import DamagedFile, LungSspError
from lung_ssp.files import read_npz, write_atomically, write_json
from lung_ssp.folders import others_in
from lung_ssp.formats import ArrayForm
from lung_ssp.records import read_record
from lung_ssp.settings import Settings
from lung_ssp.studies.plan import MadeFrom, PlannedRun, Study
from lung_ssp.training.evaluation import complete_evaluation
from lung_ssp.training.run import has_begun

STUDY_FILE, RUNS, RECORDS = "study.json", "runs", "records"
FORMAT = 1  # to be raised whenever records are written in another form
PREDICTIONS = {
    "image_probabilities": ArrayForm("f", 2),
    "pathology_probabilities": ArrayForm("f", 2),
    "image_labels": ArrayForm("i", 1),
    "pathology_labels": ArrayForm("i", 1),
    "patients": ArrayForm("U", 1),
}
REMEDY = "remove it, and the study measures the run again"


class StudyError(LungSspError):
    """A study cannot be run, or some of its trainings have failed."""


class StudyFile(Settings):
    """What study.json says of an output folder."""

    name: str = Field(description="of the study that the folder belongs to")
    task: str = Field(description="of its trainings")


class MadeFromRecord(Settings):
    """What a run was made from."""

    configuration: str = Field(description="hash of its configuration")
    cohort: str = Field(description="fingerprint of its cohort")
    program: str = Field(description="version of the program")


class RunRecord(Settings):
    """What a finished run notes; written last, so a run without it is not finished."""

    format: int = Field(description="of this file")
    made_from: MadeFromRecord = Field(description="what the run was made from")
    commit: str | None = Field(description="of the checkout that trained it; null outside of one")
    versions: dict[str, str] = Field(description="of Python and the packages that compute")
    started: datetime = Field(description="when its training began, or went on")
    training_seconds: float | None = Field(description="of the training; null where it was interrupted and went on")
    evaluation_seconds: float = Field(description="of the evaluation")
    parameters: int = Field(description="numbers that learn")
    test_patients: int = Field(description="patients of the test split")
    predicted: bool = Field(description="whether its predictions of the test sections are beside this file")


def run_folder(out: Path, name: str) -> Path:
    """The folder of a run: an ordinary one, as `lung-ssp train` makes it."""
    return out / RUNS / name


def record_file(out: Path, name: str) -> Path:
    """What a finished run notes."""
    return out / RECORDS / f"{name}.json"


def predictions_file(out: Path, name: str) -> Path:
    """What a finished run predicted of the test sections."""
    return out / RECORDS / f"{name}.npz"


def check_folder(out: Path, study: Study) -> None:
    """Refuse the output folder of another study; nothing is written.

    Raises:
        StudyError: it belongs to another study, or holds other files or runs made from something else.
    """
    path = out / STUDY_FILE
    if path.is_file():
        found = read_record(path, StudyFile, "restore it from a copy, or name another --output")
        if found != study_file(study):
            raise StudyError(f"{out} belongs to the study {found.name} ({found.task}): name another --output.")
    elif out.exists() and (not out.is_dir() or others_in(out)):
        raise StudyError(f"{out} holds something that is not a study: name another --output.")
    for run in study.runs:
        if problem := difference(out, run):
            raise StudyError(f"{run_folder(out, run.name)} {problem}: name another --output, or remove that folder.")


def open_folder(out: Path, study: Study) -> None:
    """Make the output folder of a study its own.

    Raises:
        StudyError: as `check_folder` does.
    """
    check_folder(out, study)
    write_json(out / STUDY_FILE, study_file(study).model_dump(mode="json"))


def study_file(study: Study) -> StudyFile:
    """What study.json says of the study's folder."""
    return StudyFile(name=study.settings.name, task=study.task)


def difference(out: Path, run: PlannedRun) -> str:
    """In what a finished run differs from the planned one, as part of a sentence; empty where it does not."""
    if not (has_begun(run_folder(out, run.name)) and record_file(out, run.name).is_file()):
        return ""
    found = read_run_record(out, run.name).made_from.model_dump()
    told = {
        "configuration": "was trained with another configuration",
        "cohort": f"was trained on the cohort {found['cohort']}, but the cohort is now {run.made_from.cohort}",
        "program": f"was trained by version {found['program']} of the program, this is {run.made_from.program}",
    }
    return next((told[key] for key, value in asdict(run.made_from).items() if found[key] != value), "")


def write_run_record(out: Path, name: str, record: RunRecord, predictions: dict[str, np.ndarray] | None) -> None:
    """Write what a finished run predicted, then what it notes."""
    if predictions is not None:
        arrays = predictions
        write_atomically(predictions_file(out, name), lambda file: np.savez_compressed(file, **arrays))
    write_json(record_file(out, name), record.model_dump(mode="json"))


def read_run_record(out: Path, name: str) -> RunRecord:
    """What a finished run notes.

    Raises:
        DamagedFile: it is no such file.
    """
    return read_record(record_file(out, name), RunRecord, REMEDY)


def read_predictions(out: Path, name: str) -> dict[str, np.ndarray]:
    """What a finished run predicted: PREDICTIONS says which arrays; -1 stands for a missing label.

    Raises:
        DamagedFile: it is no such file.
    """
    arrays = read_npz(predictions_file(out, name), PREDICTIONS, REMEDY)
    lengths = {len(array) for array in arrays.values()}
    if len(lengths) > 1:
        raise DamagedFile(f"{predictions_file(out, name)} holds arrays of different lengths: {REMEDY}.")
    return arrays


def finished_record(out: Path, run: PlannedRun) -> RunRecord | None:
    """What a run notes if it is finished: trained, measured, and all of its files are as they were written."""
    if not record_file(out, run.name).is_file():
        return None
    record = read_run_record(out, run.name)
    if record.format != FORMAT or made_from(record) != run.made_from:
        return None
    if record.predicted and not predictions_file(out, run.name).is_file():
        return None
    return record if complete_evaluation(run_folder(out, run.name)) is not None else None


def made_from(record: RunRecord) -> MadeFrom:
    """What a run was made from, as the plan tells it."""
    values: dict[str, Any] = record.made_from.model_dump()
    return MadeFrom(**values)
