"""From finished runs to tables, statistics and figures: runs written by hand, nothing is trained."""

import json
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lung_ssp.errors import EnvironmentProblem
from lung_ssp.studies.compare import values_of, write_results
from lung_ssp.studies.comparison import statistics_of
from lung_ssp.studies.measures import FinishedRun
from lung_ssp.studies.packages import study_packages
from lung_ssp.studies.plan import Study, plan_study
from lung_ssp.studies.record import FORMAT, RunRecord
from lung_ssp.studies.settings import COLUMNS, OTHER_COLUMNS

Write = Callable[..., Path]

METRICS = {
    "accuracy": {"source": "predictions", "title": "Accuracy of the image diagnosis", "measure": "accuracy"},
    "calibration": {"source": "predictions", "title": "Calibration error", "measure": "calibration_error"},
    "balanced": {"source": "evaluation", "title": "Balanced", "key": "comparisons.reader.balanced"},
    "loss": {"source": "log", "title": "Loss", "column": "loss_total_value"},
    "first_loss": {"source": "log", "title": "First loss", "column": "loss_total_value", "step": 10},
    "low_loss": {
        "source": "log",
        "title": "Share of seeds with a low loss",
        "column": "loss_total_value",
        "between": [0.2, 0.6],
    },
    "parameters": {"source": "run", "title": "Parameters", "fact": "parameters"},
}
# right of four sections, patient a's first two and b's two
RIGHT = {
    "single/0": (1, 0, 0, 0),
    "single/1": (1, 1, 0, 0),
    "partial/0": (1, 1, 1, 0),
    "partial/1": (1, 1, 1, 1),
}


def finished_run(folder: Path, right: tuple[int, ...], seconds: float | None = 2.0) -> FinishedRun:
    """A run that names class 0 with a probability of 0.75, and has these sections right."""
    folder.mkdir(parents=True)
    share = sum(right) / len(right)
    metrics = {"comparisons": {"reader": {"balanced": share, "nothing": None}}, "bayes": {"test": 0.9}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "table2.csv").write_text(f"global_step_value,loss_total_value\n10,3.5\n20,{share}\n")
    record = RunRecord.model_validate(
        {
            "format": FORMAT,
            "made_from": {"configuration": "c", "cohort": "0123456789abcdef", "program": "0"},
            "commit": "abc",
            "versions": {"python": "3", "paddle": "2", "numpy": "1"},
            "started": datetime(2026, 1, 2, tzinfo=timezone.utc),
            "training_seconds": seconds,
            "evaluation_seconds": 1.0,
            "parameters": 7,
            "test_patients": 2,
            "predicted": True,
        }
    )
    labels = np.array([1 - one for one in right] + [-1], np.int16)  # the last section has no label
    predictions = {
        "image_probabilities": np.tile(np.float32([0.75, 0.25]), (5, 1)),
        "pathology_probabilities": np.tile(np.float32([0.75, 0.25]), (5, 1)),
        "image_labels": labels,
        "pathology_labels": labels,
        "patients": np.array(["a", "a", "b", "b", "c"]),
    }
    return FinishedRun(folder, record, predictions)


@pytest.fixture
def study(write_study: Write) -> Study:
    figures = {"accuracy": {"metric": "accuracy", "lines": [{"key": "bayes.test", "title": "Bayes accuracy"}]}}
    return plan_study(write_study(metrics=METRICS, figures=figures))


@pytest.fixture
def finished(tmp_path: Path) -> dict[str, FinishedRun]:
    return {name: finished_run(tmp_path / "runs" / name, right) for name, right in RIGHT.items()}


def test_metrics_are_taken_from_what_a_run_has_written(study: Study, finished: dict[str, FinishedRun]) -> None:
    values, problems = values_of(study, finished)
    assert problems == []
    # confidence 0.75 in all of three labelled-right of four: |0.75 - 0.75|
    assert values["partial/0"] == {
        "accuracy": 0.75,
        "calibration": 0.0,
        "balanced": 0.75,
        "loss": 0.75,
        "first_loss": 3.5,
        "low_loss": 0.0,
        "parameters": 7.0,
    }
    assert values["single/1"]["low_loss"] == 1.0
    assert values["single/0"]["calibration"] == pytest.approx(0.5)


def test_the_tables_name_cohort_seeds_and_patients(
    study: Study, finished: dict[str, FinishedRun], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    values, problems = values_of(study, finished)
    report = write_results(study, out, finished, values, problems)
    runs = pd.read_csv(out / "runs.csv")
    assert runs["variant"].tolist() == ["single", "single", "partial", "partial"]
    assert runs["seed"].tolist() == [0, 1, 0, 1]
    assert runs["accuracy"].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert set(runs["cohort"]) == {"few 0123456789abcdef"} and runs["synthetic"].all()
    assert set(runs["test_patients"]) == {2} and set(runs["parameters"]) == {7} and set(runs["commit"]) == {"abc"}
    parquet = pd.read_parquet(out / "runs.parquet")
    assert parquet.columns.tolist() == runs.columns.tolist()
    assert parquet["accuracy"].tolist() == runs["accuracy"].tolist()
    statistics = pd.read_csv(out / "statistics.csv").set_index(["metric", "variant"])
    partial = statistics.loc[("accuracy", "partial")]
    assert (partial["seeds"], partial["mean"], partial["test_patients"]) == (2, 0.875, 2)
    # differences 0.5 and 0.5: no deviation, so no effect size; two pairs cannot go below 0.5
    assert (partial["difference"], partial["pairs"], partial["p"], partial["least_p"]) == (0.5, 2, 0.5, 0.5)
    assert np.isnan(partial["cohens_d"])
    assert np.isnan(statistics.loc[("accuracy", "single")]["difference"])
    for text in (report, (out / "statistics.txt").read_text()):
        assert "SYNTHETIC" in text
        assert "4 of 4 runs; 2 seeds; tested on 2 patients" in text
        assert "partial: 0.8750" in text and "less single task: +0.5000" in text
    content = json.loads((out / "statistics.json").read_text())
    assert "SYNTHETIC" in content["statement"] and content["seeds"] == [0, 1]


def test_the_interval_by_patient_is_that_of_both_seeds_together(study: Study, finished: dict[str, FinishedRun]) -> None:
    values, _ = values_of(study, finished)
    of = {(one.metric, one.variant): one for one in statistics_of(study, values, finished)}
    partial = of["accuracy", "partial"]
    assert partial.patients == 2  # the third has no label
    # patient a has 4 of 4 right, b 3 of 4: drawn twice each or both
    assert partial.by_patient == (0.75, 1.0)
    # against single task: a 3 of 4, b 0 of 4; the differences are 0.25 and 0.75
    assert partial.difference_by_patient == (0.25, 0.75)
    assert of["balanced", "partial"].by_patient is None
    assert of["accuracy", "single"].against is None


def test_figures_show_what_they_are_of(study: Study, finished: dict[str, FinishedRun], tmp_path: Path) -> None:
    values, problems = values_of(study, finished)
    write_results(study, tmp_path / "out", finished, values, problems)
    with Image.open(tmp_path / "out" / "figures" / "accuracy.png") as picture:
        assert "SYNTHETIC" in picture.info["Description"]
        assert "2 seeds; tested on 2 patients" in picture.info["Description"]


def test_a_run_that_is_missing_leaves_its_seed_out_of_the_pairs(study: Study, finished: dict[str, FinishedRun]) -> None:
    del finished["single/1"]
    values, _ = values_of(study, finished)
    of = {(one.metric, one.variant): one for one in statistics_of(study, values, finished)}
    partial = of["accuracy", "partial"]
    assert partial.mean is not None and partial.mean.n == 2
    assert partial.against is not None and partial.against.difference.n == 1
    assert partial.against.p is None and partial.p_holm is None


def test_a_seed_counts_only_with_all_of_its_folds(
    write_study: Write, describe_cohort: Callable[[Path, str], Path], tmp_path: Path
) -> None:
    for fold in (0, 1):
        describe_cohort(tmp_path / f"fold-{fold}", f"{fold}" * 16)
    overrides = [f"{split}_dataset.dataset_root={tmp_path}/fold-{{fold}}" for split in ("train", "val", "test")]
    folds = {"numbers": [0, 1], "overrides": overrides}
    study = plan_study(write_study(folds=folds, overrides=[], metrics={"accuracy": METRICS["accuracy"]}))
    right = {"single/0-0": (1, 0, 0, 0), "single/0-1": (1, 1, 1, 0), "single/1-0": (1, 1, 1, 1)}
    finished = {name: finished_run(tmp_path / "runs" / name, own) for name, own in right.items()}
    values, _ = values_of(study, finished)
    single, partial = statistics_of(study, values, finished)
    assert single.mean is not None and (single.mean.n, single.mean.mean) == (1, 0.5)
    assert single.folds == 2
    assert partial.mean is None and partial.against is None


@pytest.mark.parametrize(
    ("metric", "sentence"),
    [
        (
            {"source": "evaluation", "title": "x", "key": "comparisons.reeder.balanced"},
            "has no comparisons.reeder.balanced: there is no reeder (did you mean reader?); there are reader.",
        ),
        ({"source": "evaluation", "title": "x", "key": "comparisons.reader.nothing"}, "is null: nothing could be"),
        ({"source": "evaluation", "title": "x", "key": "comparisons.reader"}, "is no number"),
        (
            {"source": "log", "title": "x", "column": "los_total_value"},
            "has no column los_total_value (did you mean loss_total_value?); there are global_step_value, loss_total",
        ),
        (
            {"source": "log", "title": "x", "column": "loss_total_value", "step": 15},
            "no row of step 15: its log has 10",
        ),
        (
            {"source": "run", "title": "x", "fact": "training_seconds"},
            "was interrupted, its training_seconds is not kn",
        ),
    ],
)
def test_a_metric_that_a_run_lacks_is_told(
    write_study: Write, tmp_path: Path, metric: dict[str, object], sentence: str
) -> None:
    study = plan_study(write_study(metrics={"x": metric}))
    run = finished_run(tmp_path / "run", (1, 0, 0, 0), seconds=None)
    values, problems = values_of(study, {"single/0": run})
    assert values == {"single/0": {}}
    assert len(problems) == 1
    assert problems[0].startswith("single/0 has no x: ") and sentence in problems[0]


def test_a_figure_without_its_line_is_told_and_the_rest_is_written(
    write_study: Write, finished: dict[str, FinishedRun], tmp_path: Path
) -> None:
    figures = {"a": {"metric": "accuracy", "lines": [{"key": "bayes.tset", "title": "Bayes"}]}}
    study = plan_study(write_study(metrics=METRICS, figures=figures))
    values, problems = values_of(study, finished)
    report = write_results(study, tmp_path / "out", finished, values, problems)
    assert "the figure a was not drawn" in problems[0] and "did you mean test?" in problems[0]
    assert problems[0] in report
    assert not (tmp_path / "out" / "figures" / "a.png").exists()
    assert (tmp_path / "out" / "statistics.csv").is_file()


def test_a_study_of_which_every_run_has_failed_has_empty_tables(study: Study, tmp_path: Path) -> None:
    report = write_results(study, tmp_path / "out", {}, {}, ["single/0 failed: no memory."])
    assert "0 of 4 runs" in report and "single task: no complete seed" in report and "single/0 failed" in report
    assert len(pd.read_csv(tmp_path / "out" / "runs.csv")) == 0
    assert pd.read_csv(tmp_path / "out" / "statistics.csv")["mean"].isna().all()


def test_the_columns_of_the_tables_are_those_that_no_factor_may_have(
    study: Study, finished: dict[str, FinishedRun], tmp_path: Path
) -> None:
    values, problems = values_of(study, finished)
    write_results(study, tmp_path, finished, values, problems)
    assert {*pd.read_csv(tmp_path / "statistics.csv").columns} <= {*COLUMNS, *OTHER_COLUMNS}
    assert {*pd.read_csv(tmp_path / "runs.csv").columns} == {*COLUMNS, *study.settings.metrics}


def test_a_missing_package_is_told_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    with pytest.raises(EnvironmentProblem, match="statsmodels is missing: install the extra studies"), study_packages():
        pass
