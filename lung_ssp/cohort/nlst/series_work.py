"""The work of one worker process: a series to its samples, and what is recorded of it, also where it fails."""

import re
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.jobs import SeriesJob
from lung_ssp.cohort.nlst.results import SeriesResult
from lung_ssp.cohort.nlst.series_samples import CandidateFinder, make_samples
from lung_ssp.cohort.nlst.settings import SeriesSettings
from lung_ssp.cohort.nlst.sizes import BYTES_OF_MB
from lung_ssp.cohort.uids import without_uids
from lung_ssp.errors import CheckpointError, LungSspError, SeriesError
from lung_ssp.runtime import return_free_memory


@dataclass(frozen=True)
class SeriesWork:
    """What a worker does with a job; small, so that it can be sent with each.

    out: folder of the samples' files.
    rule: the one that the settings' image_rule names.
    find_candidates: finds candidates in a scan where nobody has marked a lesion; None for none.
    """

    out: Path
    settings: SeriesSettings
    rule: ImageRule
    find_candidates: CandidateFinder | None

    def __call__(self, job: SeriesJob) -> SeriesResult:
        """Make the job's files; an error is a result, not an exception."""
        begin = time.perf_counter()
        try:
            samples, unplaced = make_samples(job, self.out, self.settings, self.rule, self.find_candidates)
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
            in_tables=job.exam is not None,
            seconds=time.perf_counter() - begin,
            megabytes=_megabytes(job.folder),
        )


def reason_of(error: Exception) -> str:
    """The kind of an error, by which failures are counted."""
    if isinstance(error, SeriesError):
        return str(error.reason)
    kinds = {CheckpointError: "candidates", LungSspError: "annotation", MemoryError: "memory"}
    return next((kind for known, kind in kinds.items() if isinstance(error, known)), "unexpected")


def message_of(error: Exception, job: SeriesJob) -> str:
    """What is recorded of an error: its sentence; of an unexpected error its type and where it was raised."""
    if isinstance(error, LungSspError):
        return without_identifiers(str(error), job)
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = ", ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__} ({places})"


def without_identifiers(message: str, job: SeriesJob) -> str:
    """A message without the paths of the job's files and without UIDs."""
    return without_paths(message, (job.folder, *(folder for _, folder in (*job.lesion_masks, *job.lung_masks))))


def without_paths(message: str, folders: Iterable[Path]) -> str:
    """A message without paths that begin with one of the folders, and without UIDs."""
    for folder in folders:
        message = re.sub(re.escape(str(folder)) + r"[^\s,;:)]*", "<file>", message)
    return without_uids(message)


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / BYTES_OF_MB
