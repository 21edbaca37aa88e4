"""The jobs of a preparation, done by worker processes; what is done is not done again, and a failure stops no other."""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import TypeAdapter
from tqdm import tqdm

from lung_ssp import records
from lung_ssp.cohort.idc.amounts import BYTES_OF_MB
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.jobs import PlannedSeries, SeriesJob
from lung_ssp.cohort.nlst.results import SeriesResult
from lung_ssp.cohort.nlst.sample_files import check_files
from lung_ssp.cohort.nlst.series_samples import CandidateFinder, make_samples
from lung_ssp.cohort.nlst.settings import SeriesSettings, WorkerSettings
from lung_ssp.cohort.uids import without_uids
from lung_ssp.dask_workers import WorkersLost, open_workers, run_jobs
from lung_ssp.errors import CheckpointError, CohortError, DamagedFile, LungSspError, SeriesError, place_of
from lung_ssp.folders import refuse_links
from lung_ssp.runtime import return_free_memory

NOTED = TypeAdapter(SeriesResult)
JOURNAL = "journal.jsonl"  # of the samples' folder; survives an interruption, and holds no identifier


@dataclass(frozen=True)
class SeriesWork:
    """What a worker does with a job; small, so that it can be sent with each.

    out: folder of the samples' files. rule: the one that the settings' image_rule names.
    find_candidates: finds candidates in a scan where nobody has marked a lesion; None for none.
    """

    out: Path
    settings: SeriesSettings
    rule: ImageRule
    find_candidates: CandidateFinder | None

    def __call__(self, job: SeriesJob) -> SeriesResult:
        """Make the job's files; an error is a result, not an exception."""
        return done_or_failed(job, lambda: make_samples(job, self.out, self.settings, self.rule, self.find_candidates))

    @property
    def section_size(self) -> int:
        """Of the sections, in pixels."""
        return self.settings.section.size


JobT = TypeVar("JobT", bound=PlannedSeries)
JobT_contra = TypeVar("JobT_contra", bound=PlannedSeries, contravariant=True)


class Work(Protocol[JobT_contra]):
    """What workers do with each job of a kind: out is the samples' folder, section_size in pixels."""

    @property
    def out(self) -> Path:
        """Folder of the samples' files."""

    @property
    def section_size(self) -> int:
        """Of the sections, in pixels."""

    def __call__(self, job: JobT_contra) -> SeriesResult:
        """Make the job's files; an error is a result, not an exception."""


def done_or_failed(job: PlannedSeries, make: Callable[[], tuple[int, int]]) -> SeriesResult:
    """Make a job's files; gives how it ended and how long it took.

    Args:
        make: writes them, and gives the number of samples and of what had no place.
    """
    begin = time.perf_counter()
    try:
        samples, unplaced = make()
    except Exception as error:  # whatever it is, the other series go on
        return SeriesResult(job.name, job.pseudonym, "failed", reason_of(error), message_of(error, job))
    finally:
        return_free_memory()
    return SeriesResult(
        job.name,
        job.pseudonym,
        "done",
        samples=samples,
        unplaced=unplaced,
        in_tables=job.in_tables,
        seconds=time.perf_counter() - begin,
        megabytes=sum(path.stat().st_size for path in job.folder.rglob("*") if path.is_file()) / BYTES_OF_MB,
    )


def reason_of(error: Exception) -> str:
    """The kind of an error, by which failures are counted."""
    if isinstance(error, SeriesError):
        return str(error.reason)
    kinds = {CheckpointError: "candidates", LungSspError: "annotation", MemoryError: "memory"}
    return next((kind for known, kind in kinds.items() if isinstance(error, known)), "unexpected")


def message_of(error: Exception, job: PlannedSeries) -> str:
    """What is recorded of an error: its sentence; of an unexpected error its type and where it was raised."""
    if isinstance(error, LungSspError):
        return without_identifiers(str(error), job)
    return place_of(error)


def without_identifiers(message: str, job: PlannedSeries) -> str:
    """A message without the paths of the job's files and without UIDs."""
    return without_paths(message, job.named)


def without_paths(message: str, folders: Iterable[Path]) -> str:
    """A message without paths that begin with one of the folders, and without UIDs."""
    for folder in folders:
        message = re.sub(re.escape(str(folder)) + r"[^\s,;:)]*", "<file>", message)
    return without_uids(message)


def prepare_series(
    jobs: Sequence[JobT], work: Work[JobT], workers: WorkerSettings, scheduler: str | None
) -> list[SeriesResult]:
    """Do the jobs whose file is missing or damaged, and give the result of each job, in their order.

    Args:
        scheduler: address of a Dask scheduler; None for workers on this machine.
    """
    work.out.mkdir(parents=True, exist_ok=True)
    refuse_links(work.out, [JOURNAL])
    journal = read_journal(work.out)
    results: dict[str, SeriesResult] = {}
    missing = []
    for job in jobs:
        done = finished(job, work, journal) if job.samples_in(work.out).is_file() else None
        if done is not None:
            results[job.name] = done
        elif problem := what_is_missing(job):
            results[job.name] = SeriesResult(job.name, job.pseudonym, "failed", "not downloaded", problem)
        else:
            missing.append(job)
    if missing:
        with open_workers(workers.count, workers.memory_gb, workers.attempts, scheduler) as client:
            ended = run_jobs(client, work, missing, lambda job: job.name)
            for job, outcome in tqdm(ended, "series", total=len(missing), unit="series"):
                results[job.name] = as_result(job, outcome)
                record(work.out, results[job.name])
    return [results[job.name] for job in jobs]


def finished(job: JobT, work: Work[JobT], journal: Mapping[str, SeriesResult]) -> SeriesResult | None:
    """The result of a job whose file exists: its contents count, the journal only adds time and size.

    None where a file of the job's is damaged: it has to be made again.
    """
    try:
        samples = check_files(job, work.out, work.section_size)
    except (CohortError, DamagedFile):
        return None
    noted = journal.get(job.name)
    known = noted if noted is not None and noted.status == "done" else SeriesResult(job.name, job.pseudonym, "done")
    return replace(known, samples=len(samples.rows), unplaced=samples.unplaced, in_tables=job.in_tables)


def what_is_missing(job: PlannedSeries) -> str:
    """What has not been downloaded of a job's files, as a sentence; empty where nothing is missing."""
    if not all(folder.is_dir() for folder in job.needed):
        return "The series or an annotation of its lesions has not been downloaded."
    present = sum(path.is_file() for path in job.folder.rglob("*"))
    if present == job.files:
        return ""
    return f"The series has {present} files, in the index {job.files}: download it again."


def as_result(job: PlannedSeries, outcome: object) -> SeriesResult:
    """How a job ended, also where it ended with an exception or lost its workers."""
    if isinstance(outcome, SeriesResult):
        return outcome
    if isinstance(outcome, WorkersLost):
        reason, message = "worker lost", "Every worker that tried the series died, perhaps for want of memory."
    else:
        reason, message = "unexpected", f"Unexpected error: {type(outcome).__name__}."
    return SeriesResult(job.name, job.pseudonym, "failed", reason, message)


def record(out: Path, result: SeriesResult) -> None:
    """Add one result to the journal."""
    records.add_to_journal(out / JOURNAL, asdict(result))


def read_journal(out: Path) -> dict[str, SeriesResult]:
    """The last result of each job by its name."""
    return {result.name: result for result in records.read_journal(out / JOURNAL, NOTED)}
