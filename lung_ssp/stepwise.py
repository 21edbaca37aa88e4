"""Cohorts from public images, made in three steps: NLST, and collections by description such as LIDC-IDRI."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.cohort.public.settings import PublicSettings
from lung_ssp.config import SHIPPED_CONFIGS, resolve
from lung_ssp.errors import ConfigError, EnvironmentProblem, shown
from lung_ssp.runtime import require_libraries

if TYPE_CHECKING:
    from lung_ssp.cohort.idc.amounts import DownloadResult
    from lung_ssp.cohort.nlst.plan_summary import PlanSummary
    from lung_ssp.cohort.nlst.results import PreparationResult
    from lung_ssp.cohort.public.plan import PublicPlanSummary

# What a step needs it loads itself: a plan needs no OpenCV, and no command needs the extra nlst to show its help.

Result = TypeVar("Result", covariant=True)


@dataclass(frozen=True)
class StepResult(Generic[Result]):
    """What a step of a cohort gave, and the text that tells it."""

    result: Result
    text: str


@dataclass(frozen=True)
class Narrowing:
    """Which part of a collection is planned.

    patients: text file with one a line; None for all. only_annotated: only where somebody has marked a lesion.
    max_gb: up to this size (1e9 bytes); None for no limit.
    """

    patients: Path | None = None
    only_annotated: bool = False
    max_gb: float | None = None


class StepwiseCohort(Protocol):
    """A cohort that is made in steps. Each raises a LungSspError where its settings or files are wrong."""

    def plan(self, narrowing: Narrowing) -> StepResult[object]:
        """Choose the series, and write the plan; nothing is downloaded."""

    def download(self, execute: bool) -> "StepResult[DownloadResult]":
        """Fetch the series of the plan, or find out what would be fetched."""

    def run(self, scheduler: str | None, leaky: bool) -> "StepResult[PreparationResult]":
        """Make the samples of the plan's series, and the cohort.

        Args:
            scheduler: address of a Dask scheduler; None for workers on this machine.
            leaky: divide sections instead of patients, to show what that costs.
        """


def stepwise_cohort(config: str | Path, overrides: Sequence[str] = ()) -> StepwiseCohort:
    """The cohort of a configuration file, to be made in steps.

    Raises:
        ConfigError: the configuration is wrong, or of another task.
    """
    file = resolve(config, overrides)
    if file.choose({"nlst": NlstSettings, "public": PublicSettings}) is PublicSettings:
        return PublicCohort(file.check(PublicSettings).settings)
    return NlstCohort(file.check(NlstSettings).settings)


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


@dataclass(frozen=True)
class PublicCohort:
    """A public collection by its description (cohort/public/)."""

    settings: PublicSettings

    def plan(self, narrowing: Narrowing) -> "StepResult[PublicPlanSummary]":
        """Give every series of the collection a role, or a reason why it is not wanted."""
        with nlst_packages():
            from lung_ssp.cohort.public.plan import make_public_plan, public_plan_text

            summary = make_public_plan(
                self.settings.source,
                Path(self.settings.folders.plan),
                patients=narrowing.patients,
                only_annotated=narrowing.only_annotated,
                max_gb=narrowing.max_gb,
            )
            return StepResult(summary, public_plan_text(summary))

    def download(self, execute: bool) -> "StepResult[DownloadResult]":
        """As `StepwiseCohort.download`."""
        with nlst_packages():
            from lung_ssp.cohort.idc.amounts import download_text
            from lung_ssp.cohort.idc.download import download
            from lung_ssp.cohort.public.plan import ROLES, read_public_plan

            settings = self.settings
            plan = read_public_plan(Path(settings.folders.plan))
            result = download(plan, Path(settings.folders.images), settings.download, roles=ROLES, execute=execute)
            return StepResult(result, download_text(result))

    def run(self, scheduler: str | None, leaky: bool) -> "StepResult[PreparationResult]":
        """As `StepwiseCohort.run`."""
        with nlst_packages():
            from lung_ssp.cohort.public.plan_to_cohort import prepare_public
            from lung_ssp.cohort.public.text import public_preparation_text

            result = prepare_public(self.settings, scheduler, leaky)
            return StepResult(result, public_preparation_text(result))


@dataclass(frozen=True)
class NlstCohort:
    """NLST with its tables (cohort/nlst/)."""

    settings: NlstSettings

    def plan(self, narrowing: Narrowing) -> "StepResult[PlanSummary]":
        """Choose one series an exam."""
        with nlst_packages():
            from lung_ssp.cohort.nlst.plan import make_plan
            from lung_ssp.cohort.nlst.pseudonyms import open_pseudonyms
            from lung_ssp.cohort.nlst.text import plan_text

            summary = make_plan(
                self.settings.plan,
                Path(self.settings.folders.plan),
                open_pseudonyms(Path(self.settings.folders.salt), make=True),
                patients=narrowing.patients,
                only_annotated=narrowing.only_annotated,
                max_gb=narrowing.max_gb,
            )
            return StepResult(summary, plan_text(summary))

    def download(self, execute: bool) -> "StepResult[DownloadResult]":
        """As `StepwiseCohort.download`."""
        with nlst_packages():
            from lung_ssp.cohort.idc.amounts import download_text
            from lung_ssp.cohort.idc.download import download
            from lung_ssp.cohort.nlst.plan_table import ROLES, read_plan

            settings = self.settings
            plan = read_plan(Path(settings.folders.plan))
            result = download(plan, Path(settings.folders.images), settings.download, roles=ROLES, execute=execute)
            return StepResult(result, download_text(result))

    def run(self, scheduler: str | None, leaky: bool) -> "StepResult[PreparationResult]":
        """As `StepwiseCohort.run`; where a segmentation run is named, it finds candidates."""
        with nlst_packages():
            from lung_ssp.cohort.nlst.plan_to_cohort import CandidateSource, prepare_nlst
            from lung_ssp.cohort.nlst.text import preparation_text

            candidates = None
            if self.settings.candidates is not None:
                require_libraries()
                from lung_ssp.segmentation.trained import finder_of
                from lung_ssp.training.run import run_cohort

                network = Path(self.settings.candidates).resolve()
                finder = finder_of(network)
                candidates = CandidateSource(finder, finder.fingerprint, run_cohort(network).statement)
            result = prepare_nlst(self.settings, candidates, scheduler, leaky)
            return StepResult(result, preparation_text(result))


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
