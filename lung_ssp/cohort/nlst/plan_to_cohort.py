"""From a plan and downloaded series to a prepared cohort."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lung_ssp.cohort.annotations.box_files import read_boxes
from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.cohort.description import PHANTOM_MAKER
from lung_ssp.cohort.nlst.assemble import Origin, assemble_cohort, read_samples
from lung_ssp.cohort.nlst.exams import exams_of
from lung_ssp.cohort.nlst.histology import HistologyMap
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.jobs import SeriesJob, make_jobs
from lung_ssp.cohort.nlst.plan import require_salt
from lung_ssp.cohort.nlst.plan_table import read_plan
from lung_ssp.cohort.nlst.pseudonyms import open_pseudonyms
from lung_ssp.cohort.nlst.results import PreparationFigures, PreparationResult, SeriesResult
from lung_ssp.cohort.nlst.series_preparation import SeriesWork, prepare_series
from lung_ssp.cohort.nlst.series_samples import CandidateFinder
from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.cohort.nlst.tables import Tables, read_tables
from lung_ssp.cohort.nlst.text import figures_text
from lung_ssp.cohort.store import alone_in_cohort, refuse_other_files
from lung_ssp.errors import CohortError
from lung_ssp.files import write_json, write_text
from lung_ssp.folders import alone_in

ORIGIN = "cohort from NLST's images and tables"
NO_SAMPLES = "no lesion is marked in them and no candidate found (set candidates to a segmentation run, or annotations)"


@dataclass(frozen=True)
class CandidateSource:
    """What finds candidates in scans where nobody has marked a lesion.

    find: is sent to the workers. fingerprint: of the network. origin: the statement of the cohort that it was trained
    on.
    """

    find: CandidateFinder
    fingerprint: str
    origin: str


@dataclass(frozen=True, eq=False)
class NlstInputs:
    """What is known before a series is opened: the plan, the tables, the image rule, and the jobs that follow."""

    plan: pd.DataFrame
    tables: Tables
    rule: ImageRule
    jobs: list[SeriesJob]


def prepare_nlst(
    settings: NlstSettings,
    candidates: CandidateSource | None = None,
    scheduler: str | None = None,
    leaky: bool = False,
) -> PreparationResult:
    """Make the missing samples of the plan's series, and the cohort from all samples.

    What is done is not done again; a series that fails is recorded and the others go on.

    Args:
        candidates: what finds candidates where nobody has marked a lesion; None for nothing.
        scheduler: address of a Dask scheduler; None for workers on this machine.
        leaky: divide sections instead of patients, to show what that costs.

    Raises:
        LungSspError: the plan, a table or a folder is missing or damaged, or no series gave a sample.
    """
    refuse_other_files(Path(settings.folders.cohort))
    inputs = read_nlst(settings, candidates)
    samples = Path(settings.folders.samples).resolve()
    with alone_in(samples), alone_in_cohort(Path(settings.folders.cohort)):
        return _prepare(settings, inputs, samples, candidates, scheduler, leaky)


def _prepare(
    settings: NlstSettings,
    inputs: NlstInputs,
    out: Path,
    candidates: CandidateSource | None,
    scheduler: str | None,
    leaky: bool,
) -> PreparationResult:
    """As `prepare_nlst`, while nobody else works in the folders of the samples and of the cohort."""
    find = None if candidates is None else candidates.find
    work = SeriesWork(out, settings.series, inputs.rule, find)
    results = prepare_series(inputs.jobs, work, settings.workers, scheduler)
    figures = PreparationFigures.of(results, settings.workers.count)
    report = {"synthetic": settings.synthetic, **figures.as_json()}
    write_report(work.out, results, report, figures_text(figures, settings.synthetic))
    done = [job for job, result in zip(inputs.jobs, results, strict=True) if result.status == "done"]
    if not done:
        reasons = Counter(result.reason for result in results).most_common()
        raise CohortError(
            f"None of the {len(results)} series could be prepared "
            f"({', '.join(f'{reason} {count}' for reason, count in reasons)}): see {work.out / 'failed.csv'} for the "
            "errors; lung-ssp prepare download --execute downloads what is missing."
        )
    samples = read_samples(done, work.out, settings.series.section.size, NO_SAMPLES)
    found_by = None if candidates is None else candidates.origin
    origin = Origin(
        ORIGIN if found_by is None else f"{ORIGIN}, candidates by a network trained on a {found_by}",
        candidates=found_by,
        slides=settings.slides,
        slide_folders=slide_folders(inputs.plan, Path(settings.folders.images)),
    )
    classes = {"image": inputs.rule.classes, "pathology": CLASS_NAMES}
    cohort = assemble_cohort(done, samples, settings, classes, origin, leaky)
    return PreparationResult(
        root=Path(settings.folders.cohort),
        cohort=cohort,
        series=results,
        figures=figures,
        samples=samples.table,
        classes=classes,
        oddities=inputs.tables.oddities,
    )


def read_nlst(settings: NlstSettings, candidates: CandidateSource | None = None) -> NlstInputs:
    """Read the plan, the tables and the boxes.

    Raises:
        LungSspError: one of them is missing or damaged, or the plan's phantoms are called patients.
    """
    plan = read_plan(Path(settings.folders.plan))
    pseudonyms = open_pseudonyms(Path(settings.folders.salt))
    require_salt(Path(settings.folders.plan), pseudonyms)
    check_synthetic_flag(plan, settings.synthetic)
    tables = read_tables(Path(settings.folders.tables), pseudonyms)
    exams = exams_of(tables, HistologyMap.read(settings.series.samples.morphology))
    if not Path(settings.folders.images).is_dir():
        raise CohortError(
            f"{settings.folders.images} does not exist: download the plan's series with lung-ssp prepare download."
        )
    images = Path(settings.folders.images).resolve()  # workers may have another working folder
    boxes = read_boxes(settings.plan.boxes.sybil, settings.plan.boxes.nlstx)
    rule = ImageRule.read(settings.series.samples.image_rule)
    found_by = "" if candidates is None else candidates.fingerprint
    jobs = make_jobs(plan, images, exams, boxes, settings.series, rule, found_by, pseudonyms)
    return NlstInputs(plan, tables, rule, jobs)


def check_synthetic_flag(plan: pd.DataFrame, synthetic: bool) -> None:
    """Make sure that a cohort of phantoms is marked as synthetic, and no other.

    Raises:
        CohortError: the plan holds phantoms and the settings say patients, or the other way round.
    """
    phantoms = plan.loc[plan["role"] == "ct", "maker"] == PHANTOM_MAKER
    if phantoms.any() and not synthetic:
        raise CohortError(f"{phantoms.sum()} series of the plan are of phantoms: set synthetic to true.")
    if synthetic and not phantoms.all():
        raise CohortError(f"{(~phantoms).sum()} series of the plan are not of phantoms: set synthetic to false.")


def slide_folders(plan: pd.DataFrame, images: Path) -> dict[str, list[Path]]:
    """The folders of each participant's slides that have been downloaded."""
    folders: dict[str, list[Path]] = {}
    for row in plan[plan["role"] == "slide"].sort_values("series_uid").itertuples():
        if (images / row.series_uid).is_dir():
            folders.setdefault(row.participant, []).append(images / row.series_uid)
    return folders


def write_report(out: Path, results: Sequence[SeriesResult], report: Mapping[str, Any], text: str) -> None:
    """Write report.json, report.txt and failed.csv (series by pseudonym, reason, message) into `out`."""
    failed = pd.DataFrame(
        [(r.series, r.reason, r.message) for r in results if r.status == "failed"],
        columns=["series", "reason", "message"],
    )
    write_json(out / "report.json", report)
    write_text(out / "report.txt", f"{text}\n")
    write_text(out / "failed.csv", failed.to_csv(index=False))
