"""A study from its file to its tables: trainings side by side, nothing finished done twice, failures told at last."""

import sys
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from lung_ssp.dask_workers import WorkersLost, open_workers, run_jobs
from lung_ssp.errors import cut
from lung_ssp.files import write_text
from lung_ssp.folders import alone_in, tidy_below
from lung_ssp.runtime import Device
from lung_ssp.studies.comparison import Values, statistics_of
from lung_ssp.studies.curves import curves_of, save_curves, table_of_curves
from lung_ssp.studies.figures import FOLDER, save_study_figure
from lung_ssp.studies.measures import FinishedRun, value_of
from lung_ssp.studies.plan import PlannedRun, Study, plan_study
from lung_ssp.studies.record import (
    RECORDS,
    StudyError,
    finished_record,
    open_folder,
    read_predictions,
    run_folder,
)
from lung_ssp.studies.report import text_report
from lung_ssp.studies.tables import table_of_runs, table_of_statistics, write_runs, write_statistics
from lung_ssp.studies.work import RunEnd, RunJob, RunWork
from lung_ssp.visible import visible

REPORT_FILE, CURVES_FILE = "statistics.txt", "curves.csv"
ATTEMPTS = 2  # processes that may die of a run before it counts as failed


@dataclass(frozen=True)
class Workers:
    """Who trains: `count` processes of this machine, or a cluster at the address `scheduler`."""

    count: int
    scheduler: str | None
    device: Device


@dataclass(frozen=True)
class StudyResult:
    """A study that has been run.

    problems: of runs that failed and of metrics that a run lacks, a sentence each.
    """

    out: Path
    report: str
    problems: list[str]


def compare(path: str | Path, out: str | Path, overrides: Sequence[str], workers: Workers) -> StudyResult:
    """Train and measure what is missing of a study, then write its tables, statistics and figures.

    Args:
        path: a YAML file, or the path of a shipped one, such as "studies/sharing.yml".
        out: the study's folder.
        overrides: of the study's settings, "key.sub=value" each.

    Raises:
        LungSspError: the study, a configuration or a cohort is invalid, the folder belongs to something else, or no
            scheduler answers. Failed runs are in the result.
    """
    study, out = plan_study(path, overrides), Path(out)
    with alone_in(out):
        open_folder(out, study)
        tidy_below(out / RECORDS)
        missing = [run for run in study.runs if finished_record(out, run) is None]
        failures = train_missing(study, missing, out, workers)
        finished = finished_runs(study, out)
        values, lacking = values_of(study, finished)
        problems = [*failures, *lacking]
        report = write_results(study, out, finished, values, problems)
    return StudyResult(out, report, problems)


def train_missing(study: Study, missing: Sequence[PlannedRun], out: Path, workers: Workers) -> list[str]:
    """Train and measure runs side by side; why each failed one did, in a sentence."""
    if not missing:
        return []
    jobs = [RunJob(run.name, run.cell.config.resolve(), run.overrides, run.made_from) for run in missing]
    failures: dict[str, str] = {}
    done = len(study.runs) - len(missing)
    with (
        open_workers(min(workers.count, len(missing)), None, ATTEMPTS, workers.scheduler) as client,
        tqdm(desc=study.settings.name, total=len(study.runs), initial=done, unit="run") as bar,
    ):
        for job, end in run_jobs(client, RunWork(out.resolve(), workers.device), jobs, lambda job: job.name):
            if why := failure_of(end):
                failures[job.name] = f"{job.name} failed: {why}"
            told = [failures[job.name]] if why else lacking_of(study, out, job.name)  # at once: others take long
            for sentence in told:
                bar.write(visible(sentence), file=sys.stderr)
            bar.update()
    return [failures[run.name] for run in missing if run.name in failures]


def lacking_of(study: Study, out: Path, name: str) -> list[str]:
    """Which metrics a run that has just finished lacks, a sentence each."""
    return values_of(study, finished_runs(study, out, [name]))[1]


def failure_of(end: object) -> str:
    """Why a run failed, in a sentence; empty where it is finished."""
    if isinstance(end, RunEnd):
        return end.failure
    if isinstance(end, WorkersLost):
        return f"{ATTEMPTS} processes that trained it died, perhaps for want of memory: start fewer with --workers."
    return f"Unexpected error: {type(end).__name__} ({cut(end)})."


def finished_runs(study: Study, out: Path, names: Container[str] | None = None) -> dict[str, FinishedRun]:
    """The finished runs of a study, or those of some names, by their names and in the order of the plan."""
    finished = {}
    for run in study.runs:
        if names is not None and run.name not in names:
            continue
        if (record := finished_record(out, run)) is not None:
            predictions = read_predictions(out, run.name) if record.predicted else None
            finished[run.name] = FinishedRun(run_folder(out, run.name), record, predictions)
    return finished


def values_of(study: Study, finished: dict[str, FinishedRun]) -> tuple[Values, list[str]]:
    """The value of each metric of each finished run, and what is missing, a sentence each."""
    values: dict[str, dict[str, float]] = {}
    problems = []
    for name, run in finished.items():
        values[name] = {}
        for metric, settings in study.settings.metrics.items():
            try:
                values[name][metric] = value_of(settings, run)
            except StudyError as error:
                problems.append(f"{name} has no {metric}: {error}")
    return values, problems


def write_curves(study: Study, out: Path, finished: dict[str, FinishedRun], problems: list[str]) -> None:
    """Write curves.csv and the figures of the curves; what cannot be drawn is added to the problems."""
    tables = []
    for name, settings in study.settings.curves.items():
        try:
            curves = curves_of(study, settings, finished)
        except StudyError as error:
            problems.append(f"the figure {name} was not drawn: {error}")
            continue
        save_curves(study, settings, out / FOLDER / f"{name}.png", curves, finished)
        tables.append(table_of_curves(study, name, curves, finished))
    if tables:
        write_text(out / CURVES_FILE, pd.concat(tables).to_csv(index=False))


def write_results(
    study: Study, out: Path, finished: dict[str, FinishedRun], values: Values, problems: list[str]
) -> str:
    """Write the tables, the statistics and the figures of what has finished; returns the statistics as a text.

    A figure that cannot be drawn is added to the problems.
    """
    write_runs(out, table_of_runs(study, values, finished))
    statistics = statistics_of(study, values, finished)
    write_statistics(out, study, statistics, table_of_statistics(study, statistics, finished))
    for name, figure in study.settings.figures.items():
        try:
            save_study_figure(study, figure, out / FOLDER / f"{name}.png", statistics, values, finished)
        except StudyError as error:
            problems.append(f"the figure {name} was not drawn: {error}")
    write_curves(study, out, finished, problems)
    report = text_report(study, statistics, finished, problems)
    write_text(out / REPORT_FILE, report)
    return report
