"""From a plan and downloaded series to a prepared cohort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from lung_ssp.cohort.annotations.boxes import Box, read_nlstx, read_sybil
from lung_ssp.cohort.nlst.assemble import assemble_cohort, read_samples
from lung_ssp.cohort.nlst.exams import exams_of
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.jobs import SeriesJob, make_jobs
from lung_ssp.cohort.nlst.morphology import Morphology
from lung_ssp.cohort.nlst.plan import read_plan
from lung_ssp.cohort.nlst.plan_settings import BoxFiles
from lung_ssp.cohort.nlst.pseudonyms import open_pseudonyms
from lung_ssp.cohort.nlst.report import note, read_journal, write_report
from lung_ssp.cohort.nlst.sample_counts import describe_samples
from lung_ssp.cohort.nlst.series_samples import CandidateFinder, SeriesResult, SeriesWork, sample_path
from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.cohort.nlst.tables import Tables, read_tables
from lung_ssp.cohort.nlst.workers import WorkersLost, open_workers, run_jobs
from lung_ssp.cohort.phantom.dicom import MAKER
from lung_ssp.cohort.store import cohort_statement
from lung_ssp.errors import CohortError


def prepare_trial(
    settings: NlstSettings,
    find_candidates: CandidateFinder | None = None,
    candidates: str = "",
    scheduler: str | None = None,
    leaky: bool = False,
) -> str:
    """Make the samples of every series of the plan that are missing, and the cohort from them.

    What is done is not done again; a series that fails is recorded and the others go on.

    Args:
        find_candidates: finds nodules where nobody has marked a lesion; it travels to the workers.
        candidates: fingerprint of what it finds them with.
        scheduler: address of a Dask scheduler; None for workers on this machine.
        leaky: divide sections instead of patients, to show what that costs.

    Returns:
        the report: series done and failed, times, counts by class and source, and the cohort's statement.

    Raises:
        LungSspError: the plan, a table or a folder is at fault, or no series gave a sample.
    """
    trial = read_trial(settings, candidates)
    work = SeriesWork(Path(settings.folders.samples).resolve(), settings.series, trial.rule, find_candidates)
    results = do_jobs(trial.jobs, work, settings, scheduler)
    report = write_report(work.out, results, settings.workers.count)
    done = [job for job, result in zip(trial.jobs, results, strict=True) if result.status == "done"]
    if not done:
        raise CohortError(f"None of the {len(results)} series could be prepared: {work.out / 'failed.csv'} tells why.")
    samples = read_samples(done, work.out, settings.series.section.size)
    counts = describe_samples(samples.table, trial.rule.classes)
    cohort = assemble_cohort(
        done, settings, trial.rule.classes, slide_folders(trial.plan, Path(settings.folders.images)), leaky
    )
    statement = f"{settings.folders.cohort}: {cohort_statement(cohort)}"
    return "\n\n".join([tables_text(trial.tables.report), report, counts.rstrip(), statement])


@dataclass(frozen=True, eq=False)
class Trial:
    """What is known before a series is opened: the plan, the tables, the image rule, and the jobs that follow."""

    plan: pd.DataFrame
    tables: Tables
    rule: ImageRule
    jobs: list[SeriesJob]


def read_trial(settings: NlstSettings, candidates: str = "") -> Trial:
    """Read the plan, the tables and the boxes.

    Args:
        candidates: fingerprint of what finds candidates, empty for nothing.

    Raises:
        LungSspError: one of them is at fault, or the plan's phantoms are called patients.
    """
    pseudonyms = open_pseudonyms(Path(settings.folders.salt))
    plan = read_plan(Path(settings.folders.plan))
    refuse_disguise(plan, settings.synthetic)
    tables = read_tables(Path(settings.folders.tables), pseudonyms)
    exams = exams_of(tables, Morphology.read(settings.series.samples.morphology))
    images = Path(settings.folders.images).resolve()  # workers may stand elsewhere
    boxes = read_boxes(settings.plan.boxes)
    rule = ImageRule.read(settings.series.samples.image_rule)
    jobs = make_jobs(plan, images, exams, boxes, settings.series, rule, candidates, pseudonyms)
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
            results[job.name] = journal.get(job.name, SeriesResult(job.name, job.pseudonym, "done"))
        elif not all(folder.is_dir() for folder in (job.folder, *(folder for _, folder in job.lesion_masks))):
            fault = "The series or a mask of its lesions has not been downloaded."
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


def read_boxes(files: BoxFiles) -> dict[str, Mapping[str, tuple[Box, ...]]]:
    """The boxes of each source that the settings name, by series UID."""
    boxes: dict[str, Mapping[str, tuple[Box, ...]]] = {}
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
