"""From a plan and downloaded series to a prepared cohort."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from lung_ssp.cohort.annotations.boxes import MarkedBox, read_nlstx, read_sybil
from lung_ssp.cohort.nlst.assemble import assemble_cohort, read_samples
from lung_ssp.cohort.nlst.dask_workers import WorkersLost, open_workers, run_jobs
from lung_ssp.cohort.nlst.exams import exams_of
from lung_ssp.cohort.nlst.histology import HistologyMap
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.jobs import SeriesJob, make_jobs
from lung_ssp.cohort.nlst.plan import read_plan, require_salt
from lung_ssp.cohort.nlst.pseudonyms import open_pseudonyms
from lung_ssp.cohort.nlst.report import note, read_journal, write_report
from lung_ssp.cohort.nlst.sample_counts import describe_samples
from lung_ssp.cohort.nlst.series_samples import CandidateFinder, SeriesResult, SeriesWork, sample_path
from lung_ssp.cohort.nlst.settings import BoxFiles, NlstSettings
from lung_ssp.cohort.nlst.tables import Tables, read_tables
from lung_ssp.cohort.phantom.dicom import MAKER
from lung_ssp.cohort.store import load_arrays, refuse_other_files
from lung_ssp.errors import CohortError
from lung_ssp.files import alone_in


@dataclass(frozen=True)
class Candidates:
    """What finds lesions where nobody has marked one.

    find: travels to the workers. fingerprint: of the network. origin: the statement of the cohort it has learnt from.
    """

    find: CandidateFinder
    fingerprint: str
    origin: str


def prepare_trial(
    settings: NlstSettings,
    candidates: Candidates | None = None,
    scheduler: str | None = None,
    leaky: bool = False,
) -> str:
    """Make the samples of every series of the plan that are missing, and the cohort from them.

    What is done is not done again; a series that fails is recorded and the others go on.

    Args:
        candidates: what finds lesions where nobody has marked one; None for nothing.
        scheduler: address of a Dask scheduler; None for workers on this machine.
        leaky: divide sections instead of patients, to show what that costs.

    Returns:
        the report: series done and failed, times, counts by class and source, and the cohort's statement.

    Raises:
        LungSspError: the plan, a table or a folder is at fault, or no series gave a sample.
    """
    refuse_other_files(Path(settings.folders.cohort))
    trial = read_trial(settings, candidates)
    find = None if candidates is None else candidates.find
    work = SeriesWork(Path(settings.folders.samples).resolve(), settings.series, trial.rule, find)
    with alone_in(work.out):
        results = do_jobs(trial.jobs, work, settings, scheduler)
    report = write_report(work.out, results, settings.workers.count, settings.synthetic)
    done = [job for job, result in zip(trial.jobs, results, strict=True) if result.status == "done"]
    if not done:
        reasons = Counter(result.reason for result in results)
        told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        raise CohortError(
            f"None of the {len(results)} series could be prepared ({told}): {work.out / 'failed.csv'} tells why; what "
            "is not downloaded, prepare download fetches."
        )
    samples = read_samples(done, work.out, settings.series.section.size)
    counts = describe_samples(samples.table, trial.rule.classes)
    slides = slide_folders(trial.plan, Path(settings.folders.images))
    origin = None if candidates is None else candidates.origin
    cohort = assemble_cohort(done, samples, settings, trial.rule.classes, slides, origin, leaky)
    statement = f"{settings.folders.cohort}: {cohort.statement}"
    return "\n\n".join([tables_text(trial.tables.report), report, counts.rstrip(), statement])


@dataclass(frozen=True, eq=False)
class Trial:
    """What is known before a series is opened: the plan, the tables, the image rule, and the jobs that follow."""

    plan: pd.DataFrame
    tables: Tables
    rule: ImageRule
    jobs: list[SeriesJob]


def read_trial(settings: NlstSettings, candidates: Candidates | None = None) -> Trial:
    """Read the plan, the tables and the boxes.

    Args:
        candidates: what finds lesions where nobody has marked one.

    Raises:
        LungSspError: one of them is at fault, or the plan's phantoms are called patients.
    """
    plan = read_plan(Path(settings.folders.plan))
    pseudonyms = open_pseudonyms(Path(settings.folders.salt))
    require_salt(Path(settings.folders.plan), pseudonyms)
    refuse_disguise(plan, settings.synthetic)
    tables = read_tables(Path(settings.folders.tables), pseudonyms)
    exams = exams_of(tables, HistologyMap.read(settings.series.samples.morphology))
    if not Path(settings.folders.images).is_dir():
        raise CohortError(f"{settings.folders.images} does not exist: fetch the plan's series with prepare download.")
    images = Path(settings.folders.images).resolve()  # workers may stand elsewhere
    boxes = read_boxes(settings.plan.boxes)
    rule = ImageRule.read(settings.series.samples.image_rule)
    found_by = "" if candidates is None else candidates.fingerprint
    jobs = make_jobs(plan, images, exams, boxes, settings.series, rule, found_by, pseudonyms)
    return Trial(plan, tables, rule, jobs)


def tables_text(report: Mapping[str, int]) -> str:
    """What is odd in the tables, counted."""
    odd = [f"  {what}: {count}" for what, count in report.items() if count]
    return "\n".join(["tables   nothing odd" if not odd else "tables", *odd])


def do_jobs(
    jobs: Sequence[SeriesJob], work: SeriesWork, settings: NlstSettings, scheduler: str | None
) -> list[SeriesResult]:
    """Do the jobs whose file is missing; the result of each job, in their order."""
    work.out.mkdir(parents=True, exist_ok=True)
    journal = read_journal(work.out)
    results: dict[str, SeriesResult] = {}
    missing = []
    for job in jobs:
        if sample_path(work.out, job.name).is_file():
            results[job.name] = finished(job, work.out, journal)
        elif fault := what_is_missing(job):
            results[job.name] = SeriesResult(job.name, job.pseudonym, "failed", "not downloaded", fault)
        else:
            missing.append(job)
    if missing:
        with open_workers(settings.workers, scheduler) as client:
            ended = run_jobs(client, work, missing, lambda job: job.name)
            for job, outcome in tqdm(ended, "series", total=len(missing), unit="series"):
                results[job.name] = as_result(job, outcome)
                note(work.out, results[job.name])
    return [results[job.name] for job in jobs]


def finished(job: SeriesJob, out: Path, journal: Mapping[str, SeriesResult]) -> SeriesResult:
    """The result of a job whose file is there, which counts; the journal may lag behind it and adds the time only."""
    arrays = load_arrays(sample_path(out, job.name), ["images", "unplaced"])
    noted = journal.get(job.name)
    known = noted if noted is not None and noted.status == "done" else SeriesResult(job.name, job.pseudonym, "done")
    in_tables = job.exam is not None
    return replace(known, samples=len(arrays["images"]), unplaced=int(arrays["unplaced"]), in_tables=in_tables)


def what_is_missing(job: SeriesJob) -> str:
    """What has not been downloaded of a job's files, in a sentence; empty where all is there."""
    if not all(folder.is_dir() for folder in (job.folder, *(folder for _, folder in job.lesion_masks))):
        return "The series or a mask of its lesions has not been downloaded."
    there = sum(path.is_file() for path in job.folder.rglob("*"))
    return "" if there == job.files else f"The series has {there} files, in the index {job.files}: download it again."


def as_result(job: SeriesJob, outcome: object) -> SeriesResult:
    """What a job ended with as a result, also where it ended with an exception or with its workers."""
    if isinstance(outcome, SeriesResult):
        return outcome
    if isinstance(outcome, WorkersLost):
        return SeriesResult(
            job.name,
            job.pseudonym,
            "failed",
            "worker lost",
            "Every worker that tried the series died: too little memory?",
        )
    return SeriesResult(
        job.name, job.pseudonym, "failed", "unexpected", f"An error nobody foresaw: {type(outcome).__name__}."
    )


def refuse_disguise(plan: pd.DataFrame, synthetic: bool) -> None:
    """Make sure that phantoms are called phantoms.

    Raises:
        CohortError: the plan holds phantoms and the settings say patients, or the other way round.
    """
    phantoms = plan.loc[plan["role"] == "ct", "maker"] == MAKER
    if phantoms.any() and not synthetic:
        raise CohortError(f"{phantoms.sum()} series of the plan are of phantoms: set synthetic to true.")
    if synthetic and not phantoms.all():
        raise CohortError(f"{(~phantoms).sum()} series of the plan are not of phantoms: set synthetic to false.")


def read_boxes(files: BoxFiles) -> dict[str, Mapping[str, tuple[MarkedBox, ...]]]:
    """The boxes of each source that the settings name, by series UID."""
    boxes: dict[str, Mapping[str, tuple[MarkedBox, ...]]] = {}
    if files.sybil is not None:
        boxes["sybil"] = read_sybil(Path(files.sybil))
    if files.nlstx is not None:
        boxes["nlstx"] = read_nlstx(Path(files.nlstx))
    return boxes


def slide_folders(plan: pd.DataFrame, images: Path) -> dict[str, list[Path]]:
    """The folders of each participant's slides that have been downloaded."""
    folders: dict[str, list[Path]] = {}
    for row in plan[plan["role"] == "slide"].sort_values("series_uid").itertuples():
        if (images / row.series_uid).is_dir():
            folders.setdefault(row.participant, []).append(images / row.series_uid)
    return folders
