"""From a plan and downloaded series of a public collection to a prepared cohort."""

from collections import Counter
from pathlib import Path

from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.cohort.description import PublicDescription
from lung_ssp.cohort.nlst.assemble import Origin, Samples, assemble_cohort, read_samples
from lung_ssp.cohort.nlst.plan_to_cohort import write_report
from lung_ssp.cohort.nlst.results import PreparationFigures, PreparationResult
from lung_ssp.cohort.nlst.series_preparation import prepare_series
from lung_ssp.cohort.public.jobs import PublicJob, make_public_jobs
from lung_ssp.cohort.public.labels import NoduleLabels, nodules_of_patients
from lung_ssp.cohort.public.plan import read_public_plan
from lung_ssp.cohort.public.series_samples import PublicWork
from lung_ssp.cohort.public.settings import PublicSettings
from lung_ssp.cohort.public.text import public_figures_json, public_figures_text
from lung_ssp.cohort.store import alone_in_cohort, refuse_other_files
from lung_ssp.errors import CohortError
from lung_ssp.folders import alone_in

NO_SAMPLES = "nobody has marked a lesion in them; plan other patients, or name annotation files (folders.annotations)"
NINE = {"image": CLASS_NAMES, "pathology": CLASS_NAMES}


def prepare_public(settings: PublicSettings, scheduler: str | None = None, leaky: bool = False) -> PreparationResult:
    """Make the missing samples of the plan's series, and the cohort from all samples.

    What is done is not done again; a series that fails is recorded and the others go on.

    Args:
        scheduler: address of a Dask scheduler; None for workers on this machine.
        leaky: divide sections instead of patients, to show what that costs.

    Raises:
        LungSspError: the plan, a folder, a rule or the table of diagnoses is missing or damaged, or no series gave a
            sample.
    """
    root = Path(settings.folders.cohort)
    refuse_other_files(root)
    labels = None if settings.labels is None else NoduleLabels.read(settings.labels)
    plan = read_public_plan(Path(settings.folders.plan))
    images = Path(settings.folders.images)
    if not images.is_dir():
        raise CohortError(f"{images} does not exist: download the plan's series with lung-ssp prepare download.")
    jobs = make_public_jobs(plan, images.resolve(), settings)  # workers may have another working folder
    licences = {str(name): int(count) for name, count in plan["licence"].value_counts().sort_index().items()}
    out = Path(settings.folders.samples).resolve()
    with alone_in(out), alone_in_cohort(root):
        return _prepare(settings, jobs, labels, licences, out, scheduler, leaky)


def _prepare(
    settings: PublicSettings,
    jobs: list[PublicJob],
    labels: NoduleLabels | None,
    licences: dict[str, int],
    out: Path,
    scheduler: str | None,
    leaky: bool,
) -> PreparationResult:
    """As `prepare_public`, while nobody else works in the folders of the samples and of the cohort."""
    results = prepare_series(jobs, PublicWork(out, settings.series), settings.workers, scheduler)
    figures = PreparationFigures.of(results, settings.workers.count)
    write_report(out, results, public_figures_json(figures), public_figures_text(figures))
    done = [job for job, result in zip(jobs, results, strict=True) if result.status == "done"]
    if not done:
        reasons = ", ".join(f"{reason} {n}" for reason, n in Counter(r.reason for r in results).most_common())
        first = next(result.message for result in results)
        raise CohortError(
            f"None of the {len(results)} series could be prepared ({reasons}): {first} The others are in "
            f"{out / 'failed.csv'}; lung-ssp prepare download --execute downloads what is missing."
        )
    samples = read_samples(done, out, settings.series.section.size, NO_SAMPLES)
    if labels is not None:
        samples = Samples(labels.of(samples.table, nodules_of_patients(jobs, results)), samples.images)
    reads_boxes = any(job.boxes or job.reports for job in jobs)
    marked = "boxes" if reads_boxes else "readers' outlines"
    collection = PublicDescription(
        collection=settings.source.collection,
        licences=licences,
        citation=settings.source.citation,
        annotations=marked,
        consensus=None if reads_boxes else settings.series.nodules.consensus,
        labels=None if labels is None else labels.statement,
    )
    statement = (
        f"cohort from {settings.name}'s images and {marked} ({', '.join(licences)}; {settings.source.citation[0]})"
    )
    classes = NINE if labels is None else labels.classes
    origin = Origin(statement, collection, labels=None if labels is None else labels.key)
    cohort = assemble_cohort(done, samples, settings, classes, origin, leaky)
    return PreparationResult(
        root=Path(settings.folders.cohort),
        cohort=cohort,
        series=results,
        figures=figures,
        samples=samples.table,
        classes=classes,
        oddities={},
    )
