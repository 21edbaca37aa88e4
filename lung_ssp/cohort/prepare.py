"""From a configuration to a prepared cohort: sections with labels, scans, and the slices of the scans."""

from pathlib import Path

from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.manifest import prepare_manifest
from lung_ssp.cohort.phantom.make import make_phantom_cohort
from lung_ssp.cohort.phantom.simulated_nlst.archive import write_simulated_nlst
from lung_ssp.cohort.preparation_settings import PreparationSettings
from lung_ssp.cohort.slices import prepare_slices
from lung_ssp.cohort.split import record_splits
from lung_ssp.cohort.verify import record_files
from lung_ssp.runtime import cores


def prepare_cohort(settings: PreparationSettings) -> str:
    """Prepare a cohort, or finish a preparation that was interrupted; what is finished is not done again.

    Returns:
        the statement of what was prepared.

    Raises:
        CohortError: the folder holds another cohort, or the manifest is at fault.
    """
    root = Path(settings.cohort.root)
    if settings.cohort.manifest is None:
        make_phantom_cohort(
            root,
            settings.cohort,
            settings.section,
            settings.seed,
            processes=cores(),
            patch_settings=settings.patches,
        )
    else:
        prepare_manifest(root, settings.cohort, settings.section)
    record_splits(root)
    if (root / "scans.csv").is_file():
        prepare_slices(root, settings.slices, settings.parenchyma)
    if settings.cohort.simulated_nlst:
        write_simulated_nlst(root, settings.cohort.phantom, settings.seed, read_cohort(root).key)
    record_files(root)
    return f"{root}: {read_cohort(root).statement}"
