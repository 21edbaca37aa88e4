"""The value of each metric of a finished run, taken from what its training and its evaluation have written."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from lung_ssp.classification.calibration import calibration_error, reliability
from lung_ssp.cohort.classes import MISSING
from lung_ssp.config_errors import nearest
from lung_ssp.files import read_bytes, read_json
from lung_ssp.records import parse_table
from lung_ssp.studies.record import RunRecord, StudyError
from lung_ssp.studies.settings import DashboardMetric, EvaluationMetric, LogMetric, MetricSettings, PredictionMetric
from lung_ssp.training.evaluation import METRICS_FILE
from lung_ssp.training.run import VISUALDL_FILE, VISUALDL_FOLDER

Points = dict[int, float]  # the values of a scalar by step

LOGS = ("table2.csv", "log.csv")  # of the tasks


@dataclass(frozen=True)
class FinishedRun:
    """What metrics are taken from: a run's folder, what it noted, and what it predicted, where it is a classifier."""

    folder: Path
    record: RunRecord
    predictions: dict[str, np.ndarray] | None


def value_of(metric: MetricSettings, run: FinishedRun) -> float:
    """The value of a metric.

    Raises:
        StudyError: the run has no such figure.
    """
    if isinstance(metric, EvaluationMetric):
        return figure_at(run.folder, metric.key)
    if isinstance(metric, LogMetric):
        return logged(run.folder, metric)
    if isinstance(metric, DashboardMetric):
        return shown(run.folder, metric)
    if isinstance(metric, PredictionMetric):
        return predicted(metric, run)
    value = getattr(run.record, metric.fact)
    if value is None:
        raise StudyError(f"{run.folder} was interrupted, its {metric.fact} is not known: remove it to train it anew.")
    return float(value)


def figure_at(folder: Path, key: str) -> float:
    """The figure of metrics.json at a key with a point between levels.

    Raises:
        StudyError: there is none.
    """
    path = folder / METRICS_FILE
    found = read_json(path)
    for name in key.split("."):
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            known = list(found) if isinstance(found, dict) else []
            there = f"; there are {', '.join(known)}" if known else ""
            raise StudyError(f"{path} has no {key}: there is no {name}{nearest(name, known)}{there}.")
    if isinstance(found, bool) or not isinstance(found, int | float):
        what = "null: nothing could be measured" if found is None else "no number"
        raise StudyError(f"{path}: {key} is {what}.")
    return float(found)


def logged(folder: Path, metric: LogMetric) -> float:
    """The value of a column of a run's log, at a step or in its last row.

    Raises:
        StudyError: there is no such column or row, or it holds no number.
    """
    path = next((folder / name for name in LOGS if (folder / name).is_file()), folder / LOGS[0])
    try:
        table = parse_table(read_bytes(path))
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} cannot be read ({error}): remove the run's folder to train it anew.") from error
    if metric.column not in table.columns:
        raise StudyError(
            f"{path} has no column {metric.column}{nearest(metric.column, table.columns)}; "
            f"there are {', '.join(table.columns)}."
        )
    rows = [dict(zip(table.columns, line.fields, strict=True)) for line in table.lines]
    steps = [row[table.columns[0]] for row in rows]
    wanted = steps[-1] if metric.step is None and steps else str(metric.step)
    if wanted not in steps:
        raise StudyError(f"{path} has no row of step {metric.step}: its log has {', '.join(steps[:20])}.")
    try:
        value = float(rows[steps.index(wanted)][metric.column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise StudyError(f"{path}: {metric.column} holds no number at step {wanted}.")
    return value if metric.between is None else float(metric.between[0] <= value <= metric.between[1])


@cache
def scalars(run: Path) -> dict[str, Points]:
    """All scalars of a run's dashboard by tag and step.

    Raises:
        StudyError: the dashboard's file cannot be read.
    """
    from visualdl import LogReader  # loads a web server

    path = run / VISUALDL_FOLDER / VISUALDL_FILE
    if not path.is_file():
        raise StudyError(f"{path} does not exist: remove the run's folder to train it anew.")
    try:
        reader = LogReader(file_path=str(path))
        tags = reader.get_tags().get("scalar", [])
        return {tag: {point.id: float(point.value) for point in reader.get_data("scalar", tag)} for tag in tags}
    except Exception as error:  # VisualDL's and protobuf's, of many kinds
        raise StudyError(
            f"{path} cannot be read ({type(error).__name__}): remove the run's folder to train it anew."
        ) from error


def shown(folder: Path, metric: DashboardMetric) -> float:
    """The value of a scalar of the dashboard, at a step or at the last one that has it.

    Raises:
        StudyError: there is no such scalar or step.
    """
    found = scalars(folder)
    if metric.tag not in found:
        raise StudyError(f"the dashboard of {folder} has no scalar {metric.tag}{nearest(metric.tag, list(found))}.")
    points = found[metric.tag]
    step = max(points) if metric.step is None else metric.step
    if step not in points:
        steps = ", ".join(map(str, sorted(points)[:20]))
        raise StudyError(f"the dashboard of {folder} has {metric.tag} at the steps {steps}, not at {step}.")
    return points[step]


def predicted(metric: PredictionMetric, run: FinishedRun) -> float:
    """A figure made from a classifier's predictions of the labelled test sections.

    Raises:
        StudyError: none has a label.
    """
    assert run.predictions is not None  # plan.plan_study refuses it for other tasks
    probabilities, labels, _ = labelled(metric, run.predictions)
    if len(labels) == 0:
        raise StudyError(f"{run.folder}: no test section has a label of the {metric.labels} diagnosis.")
    if metric.measure == "accuracy":
        return float(np.mean(probabilities.argmax(axis=1) == labels))
    return calibration_error(reliability(probabilities, labels))


def labelled(metric: PredictionMetric, predictions: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the test sections with a label: probabilities (n, classes), labels (n,) and patients (n,)."""
    labels = predictions[f"{metric.labels}_labels"]
    known = labels != MISSING
    return predictions[f"{metric.branch}_probabilities"][known], labels[known], predictions["patients"][known]
