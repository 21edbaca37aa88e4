"""From a configuration to a prepared cohort: sections with labels, scans, and the slices of the scans."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from lung_ssp.cohort.manifest import prepare_manifest
from lung_ssp.cohort.phantom.make import make_phantom_cohort
from lung_ssp.cohort.settings import CohortSettings
from lung_ssp.cohort.slices import SliceSettings, prepare_slices
from lung_ssp.cohort.split import record_splits
from lung_ssp.cohort.store import cohort_statement, read_cohort
from lung_ssp.ct.settings import ParenchymaSettings, SectionSettings
from lung_ssp.settings import Settings


class PreparationSettings(Settings):
    """A configuration file that prepares a cohort."""

    task: Literal["preparation"] = Field(description="which task this file is for")
    seed: int = Field(0, ge=0, description="of the embedded cohort")
    cohort: CohortSettings = Field(CohortSettings(), description="which cohort, and where it goes")
    section: SectionSettings = Field(SectionSettings(), description="the section of a lesion")
    parenchyma: ParenchymaSettings = Field(ParenchymaSettings(), description="the lung mask of a scan's slices")
    slices: SliceSettings = Field(SliceSettings(), description="the grid that the segmentation network works on")


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
            root, settings.cohort, settings.section, settings.seed, processes=len(os.sched_getaffinity(0))
        )
    else:
        prepare_manifest(root, settings.cohort, settings.section)
    record_splits(root)
    if (root / "scans.csv").is_file():
        prepare_slices(root, settings.slices, settings.parenchyma)
    return f"{root}: {cohort_statement(read_cohort(root))}"
