"""Whose a study's folder is, and when a run in it is finished."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.errors import DamagedFile
from lung_ssp.studies.plan import PlannedRun, plan_study
from lung_ssp.studies.record import (
    FORMAT,
    RunRecord,
    StudyError,
    check_folder,
    finished_record,
    open_folder,
    predictions_file,
    read_predictions,
    record_file,
    run_folder,
    write_run_record,
)
from lung_ssp.training.evaluation import record_evaluation

Write = Callable[..., Path]


def finish(out: Path, run: PlannedRun, **changes: str) -> None:
    """Write what a finished run leaves: a checkpoint, an evaluation, its record."""
    folder = run_folder(out, run.name)
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "latest.json").write_text("{}")
    (folder / "metrics.json").write_text("{}")
    (folder / "metrics.txt").write_text("")
    record_evaluation(folder, {})
    made_from = {**vars(run.made_from), **changes}
    record = RunRecord.model_validate_json(
        json.dumps(
            {
                "format": FORMAT,
                "made_from": made_from,
                "commit": None,
                "versions": {},
                "started": "2026-01-02T03:04:05Z",
                "training_seconds": 2.0,
                "evaluation_seconds": 1.0,
                "parameters": 7,
                "test_patients": 2,
                "predicted": True,
            }
        )
    )
    arrays = {"image": np.zeros((3, 2), np.float32), "pathology": np.zeros((3, 2), np.float32)}
    predictions = {f"{task}_probabilities": own for task, own in arrays.items()}
    predictions |= {f"{task}_labels": np.zeros(3, np.int16) for task in arrays}
    write_run_record(out, run.name, record, {**predictions, "patients": np.array(["a", "b", "c"])})


def test_a_folder_belongs_to_one_study(write_study: Write, tmp_path: Path) -> None:
    out = tmp_path / "out"
    open_folder(out, plan_study(write_study()))
    open_folder(out, plan_study(write_study(seeds=[0, 1, 2])))  # more seeds are the same study
    with pytest.raises(StudyError, match=r"out belongs to the study tiny \(classification\): name another --output\."):
        open_folder(out, plan_study(write_study(name="other")))


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(write_study: Write, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    with pytest.raises(StudyError, match="out holds something that is not a study: name another --output"):
        open_folder(out, plan_study(write_study()))
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


def test_a_run_is_finished_with_its_record_its_evaluation_and_its_predictions(
    write_study: Write, tmp_path: Path
) -> None:
    run = plan_study(write_study()).runs[0]
    assert finished_record(tmp_path, run) is None
    finish(tmp_path, run)
    record = finished_record(tmp_path, run)
    assert record is not None and record.parameters == 7
    assert read_predictions(tmp_path, run.name)["patients"].tolist() == ["a", "b", "c"]
    (run_folder(tmp_path, run.name) / "metrics.json").write_text('{"accuracy": 1.0}')  # not what was written
    assert finished_record(tmp_path, run) is None


@pytest.mark.parametrize("gone", ["record", "predictions", "metrics"])
def test_a_run_of_which_a_file_is_gone_is_not_finished(write_study: Write, tmp_path: Path, gone: str) -> None:
    run = plan_study(write_study()).runs[0]
    finish(tmp_path, run)
    files = {
        "record": record_file(tmp_path, run.name),
        "predictions": predictions_file(tmp_path, run.name),
        "metrics": run_folder(tmp_path, run.name) / "metrics.json",
    }
    files[gone].unlink()
    assert finished_record(tmp_path, run) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"configuration": "other"}, "was trained with another configuration"),
        ({"cohort": "f" * 16}, f"was trained on the cohort {'f' * 16}, but the cohort is now 0123456789abcdef"),
        ({"program": "0.0.0"}, r"was trained by version 0\.0\.0 of the program, this is"),
    ],
)
def test_a_run_made_from_something_else_is_refused(
    write_study: Write, tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    study = plan_study(write_study())
    out = tmp_path / "out"
    open_folder(out, study)
    finish(out, study.runs[2], **change)
    with pytest.raises(StudyError, match=rf"partial/0 {sentence}.*: name another --output, or remove that folder\."):
        check_folder(out, study)


def test_a_damaged_record_is_told(write_study: Write, tmp_path: Path) -> None:
    run = plan_study(write_study()).runs[0]
    finish(tmp_path, run)
    record_file(tmp_path, run.name).write_text("{}")
    with pytest.raises(DamagedFile, match=r"single/0\.json is damaged .*: remove it, and the study measures the run"):
        finished_record(tmp_path, run)
