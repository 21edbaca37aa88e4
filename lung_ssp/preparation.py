"""Every way to a prepared cohort: embedded, from a manifest, an archive of nodules, or public images in three steps."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lung_ssp.cohort.candidates.settings import CandidatesSettings
from lung_ssp.cohort.description import CohortDescription
from lung_ssp.cohort.lung_scans.settings import LungScansSettings
from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.cohort.nodules.settings import NodulePreparationSettings
from lung_ssp.cohort.phantom.settings import PhantomPreparationSettings
from lung_ssp.cohort.public.settings import PublicSettings
from lung_ssp.cohort.settings import ManifestSettings
from lung_ssp.config import SHIPPED_CONFIGS, resolve
from lung_ssp.errors import ConfigError, EnvironmentProblem, shown
from lung_ssp.runtime import cores, require_libraries
from lung_ssp.settings import Settings

if TYPE_CHECKING:
    from lung_ssp.cohort.candidates.prepare import FinderSource
    from lung_ssp.cohort.idc.amounts import DownloadResult
    from lung_ssp.cohort.nlst.plan_summary import PlanSummary
    from lung_ssp.cohort.nlst.results import PreparationResult
    from lung_ssp.cohort.public.plan import PublicPlanSummary

# What a step needs it loads itself: a plan needs no OpenCV, the embedded cohort not the extra nlst.


@dataclass(frozen=True)
class PreparedCohort:
    """A cohort that is ready on disk.

    root: its folder. description: what its cohort.json says.
    """

    root: Path
    description: CohortDescription


def prepare(config: str | Path, overrides: Sequence[str] = ()) -> PreparedCohort:
    """Prepare the embedded cohort, one from a manifest or one of nodules; what is finished is not done again.

    Args:
        config: YAML file of the task phantom, manifest, nodules, lung_scans or candidates, or its path among
            the shipped ones.
        overrides: "key.sub=value" each.

    Raises:
        ConfigError: the configuration is wrong, or of another task.
        CohortError: the folder holds another cohort, or the manifest, the archive or a file of theirs is wrong.
    """
    file = resolve(config, overrides)
    settings, prepare_task = file.choose(PREPARATIONS)
    return prepare_task(file.check(settings).settings)


def prepare_manifest_cohort(settings: ManifestSettings) -> PreparedCohort:
    """Make a cohort from a manifest: the sections of the lesions that it lists."""
    from lung_ssp.cohort.manifest import prepare_manifest

    return _prepared(Path(settings.cohort.root), lambda: prepare_manifest(settings))


def prepare_nodule_cohort(settings: NodulePreparationSettings) -> PreparedCohort:
    """Make a cohort from an archive of nodules with readers' votes: nodules, folds by patient, sections."""
    from lung_ssp.cohort.nodules.prepare import prepare_nodules

    return _prepared(Path(settings.cohort.root), lambda: prepare_nodules(settings))


def prepare_lung_scan_cohort(settings: LungScansSettings) -> PreparedCohort:
    """Make a cohort of scans without marked lesions: their slices, to be learned from as background."""
    from lung_ssp.cohort.lung_scans.prepare import prepare_lung_scans

    return _prepared(Path(settings.cohort.root), lambda: prepare_lung_scans(settings))


def prepare_candidate_cohort(settings: CandidatesSettings) -> PreparedCohort:
    """Make a cohort of candidates: nodules, and what a segmentation network finds in scans and beside nodules."""
    require_libraries()
    from lung_ssp.cohort.candidates.prepare import FinderSource
    from lung_ssp.segmentation.low_threshold import nodule_finder
    from lung_ssp.segmentation.trained import finder_of
    from lung_ssp.training.run import run_cohort

    run = Path(settings.cohort.segmentation)
    fingerprint, statement = finder_of(run).fingerprint, run_cohort(run).statement
    return make_candidate_cohort(
        settings, FinderSource(nodule_finder(run, settings.candidates), fingerprint, statement)
    )


def make_candidate_cohort(settings: CandidatesSettings, source: "FinderSource") -> PreparedCohort:
    """Make a cohort of candidates that a given network finds."""
    from lung_ssp.cohort.candidates.prepare import prepare_candidates

    return _prepared(Path(settings.cohort.root), lambda: prepare_candidates(settings, source))


def _prepared(root: Path, make: Callable[[], CohortDescription]) -> PreparedCohort:
    """Make a cohort alone in its folder, then record its splits and the hash of every file."""
    from lung_ssp.cohort.split import record_splits
    from lung_ssp.cohort.store import alone_in_cohort
    from lung_ssp.cohort.verify import record_files

    with alone_in_cohort(root):
        description = make()
        record_splits(root)
        record_files(root)
    return PreparedCohort(root, description)


def prepare_phantom(settings: PhantomPreparationSettings) -> PreparedCohort:
    """Make the embedded cohort: sections, scans, the slices of the scans, and, if asked for, a simulated NLST."""
    from lung_ssp.cohort.phantom.make import make_phantom_cohort
    from lung_ssp.cohort.phantom.simulated_nlst.archive import write_simulated_nlst
    from lung_ssp.cohort.slices import prepare_slices
    from lung_ssp.cohort.split import record_splits
    from lung_ssp.cohort.store import alone_in_cohort
    from lung_ssp.cohort.verify import record_files

    root = Path(settings.cohort.root)
    with alone_in_cohort(root):
        description = make_phantom_cohort(
            root, settings.cohort, settings.section, settings.seed, processes=cores(), tile_settings=settings.tiles
        )
        record_splits(root)
        if (root / "scans.csv").is_file():
            prepare_slices(root, settings.slices, settings.parenchyma)
        if settings.cohort.simulated_nlst:
            write_simulated_nlst(root, settings.cohort.phantom, settings.seed, description.key)
        record_files(root)
    return PreparedCohort(root, description)


# By the key `task` of a configuration file: its settings, and what makes the cohort of them.
PREPARATIONS: dict[str, tuple[type[Settings], Callable[[Any], PreparedCohort]]] = {
    "phantom": (PhantomPreparationSettings, prepare_phantom),
    "manifest": (ManifestSettings, prepare_manifest_cohort),
    "nodules": (NodulePreparationSettings, prepare_nodule_cohort),
    "lung_scans": (LungScansSettings, prepare_lung_scan_cohort),
    "candidates": (CandidatesSettings, prepare_candidate_cohort),
}


def config_of_cohort(name: str) -> Path:
    """The configuration file of a cohort by its name: cohort/<name>.yml among the shipped ones.

    Raises:
        ConfigError: there is none; it names those there are.
    """
    path = SHIPPED_CONFIGS / "cohort" / f"{name}.yml"
    if Path(name).name != name or not path.is_file():
        known = ", ".join(sorted(file.stem for file in (SHIPPED_CONFIGS / "cohort").glob("*.yml")))
        raise ConfigError(f"There is no shipped cohort {shown(name)}: use --config FILE, or one of {known}.")
    return path


def stepwise_settings(config: str | Path, overrides: Sequence[str] = ()) -> NlstSettings | PublicSettings:
    """The settings of a cohort that is made in steps from public images.

    Raises:
        ConfigError: the configuration is wrong, or of another task.
    """
    file = resolve(config, overrides)
    if file.choose({"nlst": NlstSettings, "public": PublicSettings}) is PublicSettings:
        return file.check(PublicSettings).settings
    return file.check(NlstSettings).settings


def plan_public(
    settings: PublicSettings, patients: Path | None, only_annotated: bool, max_gb: float | None
) -> "PublicPlanSummary":
    """Choose the series of a public collection, and write the plan."""
    with nlst_packages():
        from lung_ssp.cohort.public.plan import make_public_plan

        return make_public_plan(
            settings.source,
            Path(settings.folders.plan),
            patients=patients,
            only_annotated=only_annotated,
            max_gb=max_gb,
        )


def download_public(settings: PublicSettings, execute: bool) -> "DownloadResult":
    """Fetch the series of the plan of a public collection, or find out what would be fetched."""
    with nlst_packages():
        from lung_ssp.cohort.idc.download import download
        from lung_ssp.cohort.public.plan import ROLES, read_public_plan

        plan = read_public_plan(Path(settings.folders.plan))
        return download(plan, Path(settings.folders.images), settings.download, roles=ROLES, execute=execute)


def run_public(settings: PublicSettings, scheduler: str | None, leaky: bool) -> "PreparationResult":
    """Make the samples and the cohort of the series of a public collection's plan."""
    with nlst_packages():
        from lung_ssp.cohort.public.plan_to_cohort import prepare_public

        return prepare_public(settings, scheduler, leaky)


def plan_nlst(
    settings: NlstSettings, patients: Path | None, only_annotated: bool, max_gb: float | None
) -> "PlanSummary":
    """Choose one series an exam, and write the plan."""
    with nlst_packages():
        from lung_ssp.cohort.nlst.plan import make_plan
        from lung_ssp.cohort.nlst.pseudonyms import open_pseudonyms

        return make_plan(
            settings.plan,
            Path(settings.folders.plan),
            open_pseudonyms(Path(settings.folders.salt), make=True),
            patients=patients,
            only_annotated=only_annotated,
            max_gb=max_gb,
        )


def download_nlst(settings: NlstSettings, execute: bool) -> "DownloadResult":
    """Fetch the series of the plan, or find out what would be fetched."""
    with nlst_packages():
        from lung_ssp.cohort.idc.download import download
        from lung_ssp.cohort.nlst.plan_table import ROLES, read_plan

        plan = read_plan(Path(settings.folders.plan))
        return download(plan, Path(settings.folders.images), settings.download, roles=ROLES, execute=execute)


def run_nlst(settings: NlstSettings, scheduler: str | None, leaky: bool) -> "PreparationResult":
    """Make the samples and the cohort of the plan's series."""
    with nlst_packages():
        from lung_ssp.cohort.nlst.plan_to_cohort import CandidateSource, prepare_nlst

        candidates = None
        if settings.candidates is not None:
            require_libraries()
            from lung_ssp.segmentation.trained import finder_of
            from lung_ssp.training.run import run_cohort

            network = Path(settings.candidates).resolve()
            finder = finder_of(network)
            candidates = CandidateSource(finder, finder.fingerprint, run_cohort(network).statement)
        return prepare_nlst(settings, candidates, scheduler, leaky)


@contextmanager
def nlst_packages() -> Iterator[None]:
    """Tell what to install where a package of the extra nlst is missing.

    Raises:
        EnvironmentProblem: naming the package.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            f"The package {error.name} is missing: install the extra nlst with the tested versions (make nlst, or "
            "pip install -c constraints.txt -e .[cpu,nlst])."
        ) from error
