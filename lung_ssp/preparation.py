"""Every way to a prepared cohort in one step: embedded, manifest, nodules, scans, or other cohorts' candidates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lung_ssp.cohort.candidates.settings import CandidatesSettings
from lung_ssp.cohort.description import CohortDescription
from lung_ssp.cohort.lung_scans.settings import LungScansSettings
from lung_ssp.cohort.nodules.settings import NodulePreparationSettings
from lung_ssp.cohort.phantom.settings import PhantomPreparationSettings
from lung_ssp.cohort.settings import ManifestSettings
from lung_ssp.config import resolve
from lung_ssp.runtime import cores, require_libraries
from lung_ssp.settings import Settings

if TYPE_CHECKING:
    from lung_ssp.cohort.candidates.prepare import FinderSource

# What a way needs it loads itself: the settings of all are known without OpenCV.


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
