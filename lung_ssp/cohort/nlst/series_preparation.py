"""The jobs of a preparation, done by worker processes; what is done is not done again, and a failure stops no other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from lung_ssp.cohort.nlst.dask_workers import WorkersLost, open_workers, run_jobs
from lung_ssp.cohort.nlst.jobs import SeriesJob
from lung_ssp.cohort.nlst.journal import read_journal, record
from lung_ssp.cohort.nlst.results import SeriesResult
from lung_ssp.cohort.nlst.sample_files import sample_path
from lung_ssp.cohort.nlst.series_work import SeriesWork
from lung_ssp.cohort.nlst.settings import WorkerSettings
from lung_ssp.cohort.store import load_arrays


def prepare_series(
    jobs: Sequence[SeriesJob], work: SeriesWork, workers: WorkerSettings, scheduler: str | None
) -> list[SeriesResult]:
    """Do the jobs whose file is missing.

    Args:
        scheduler: address of a Dask scheduler; None for workers on this machine.

    Returns:
        the result of each job, in their order.
    """
    work.out.mkdir(parents=True, exist_ok=True)
    journal = read_journal(work.out)
    results: dict[str, SeriesResult] = {}
    missing = []
    for job in jobs:
        if sample_path(work.out, job.name).is_file():
            results[job.name] = finished(job, work.out, journal)
        elif problem := what_is_missing(job):
            results[job.name] = SeriesResult(job.name, job.pseudonym, "failed", "not downloaded", problem)
        else:
            missing.append(job)
    if missing:
        with open_workers(workers, scheduler) as client:
            ended = run_jobs(client, work, missing, lambda job: job.name)
            for job, outcome in tqdm(ended, "series", total=len(missing), unit="series"):
                results[job.name] = as_result(job, outcome)
                record(work.out, results[job.name])
    return [results[job.name] for job in jobs]


def finished(job: SeriesJob, out: Path, journal: Mapping[str, SeriesResult]) -> SeriesResult:
    """The result of a job whose file exists: its contents count, the journal only adds time and size."""
    arrays = load_arrays(sample_path(out, job.name), ["images", "unplaced"])
    noted = journal.get(job.name)
    known = noted if noted is not None and noted.status == "done" else SeriesResult(job.name, job.pseudonym, "done")
    in_tables = job.exam is not None
    return replace(known, samples=len(arrays["images"]), unplaced=int(arrays["unplaced"]), in_tables=in_tables)


def what_is_missing(job: SeriesJob) -> str:
    """What has not been downloaded of a job's files, as a sentence; empty where nothing is missing."""
    if not all(folder.is_dir() for folder in (job.folder, *(folder for _, folder in job.lesion_masks))):
        return "The series or a mask of its lesions has not been downloaded."
    present = sum(path.is_file() for path in job.folder.rglob("*"))
    if present == job.files:
        return ""
    return f"The series has {present} files, in the index {job.files}: download it again."


def as_result(job: SeriesJob, outcome: object) -> SeriesResult:
    """How a job ended, also where it ended with an exception or lost its workers."""
    if isinstance(outcome, SeriesResult):
        return outcome
    if isinstance(outcome, WorkersLost):
        reason, message = "worker lost", "Every worker that tried the series died, perhaps for want of memory."
    else:
        reason, message = "unexpected", f"Unexpected error: {type(outcome).__name__}."
    return SeriesResult(job.name, job.pseudonym, "failed", reason, message)
