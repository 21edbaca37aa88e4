"""The steps that make a cohort from NLST's own images: plan, download, run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.config import SHIPPED, load_config
from lung_ssp.errors import ConfigError, EnvironmentFault

if TYPE_CHECKING:
    from lung_ssp.cohort.nlst.plan_summary import PlanSummary
    from lung_ssp.cohort.nlst.results import DownloadResult, PreparationResult

CONFIGS = SHIPPED / "cohort"


def config_of_cohort(name: str) -> Path:
    """The configuration file of a cohort by its name: cohort/<name>.yml among the shipped ones.

    Raises:
        ConfigError: there is none; it names those there are.
    """
    path = CONFIGS / f"{name}.yml"
    if Path(name).name != name or not path.is_file():
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.yml")))
        raise ConfigError(f"There is no shipped cohort {name!r}: use --config FILE, or one of {known}.")
    return path


def nlst_settings(config: Path, overrides: Sequence[str]) -> NlstSettings:
    """The settings of a cohort from NLST's images."""
    return load_config(config, NlstSettings, overrides).settings


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
        from lung_ssp.cohort.nlst.download import download
        from lung_ssp.cohort.nlst.plan_table import read_plan

        plan = read_plan(Path(settings.folders.plan))
        return download(plan, Path(settings.folders.images), settings.download, execute=execute)


def run_nlst(settings: NlstSettings, scheduler: str | None, leaky: bool) -> "PreparationResult":
    """Make the samples and the cohort of the plan's series."""
    with nlst_packages():
        from lung_ssp.cohort.nlst.preparation import Candidates, prepare_nlst

        if settings.candidates is None:
            return prepare_nlst(settings, scheduler=scheduler, leaky=leaky)
        from lung_ssp import runtime

        runtime.require_libraries()
        from lung_ssp.segmentation.finder import finder_of
        from lung_ssp.training.run import run_cohort

        network = Path(settings.candidates).resolve()
        finder = finder_of(network)
        origin = run_cohort(network).statement
        return prepare_nlst(settings, Candidates(finder, finder.fingerprint, origin), scheduler, leaky)


@contextmanager
def nlst_packages() -> Iterator[None]:
    """Tell what to install where a package of the extra nlst is missing.

    Raises:
        EnvironmentFault: naming the package.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise EnvironmentFault(
            f"The package {error.name} is missing: install the extra nlst with the tested versions (make nlst, or "
            "pip install -c constraints.txt -e .[cpu,nlst])."
        ) from error
