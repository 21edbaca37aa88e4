"""Settings of a cohort of scans without marked lesions."""

from collections import Counter
from typing import Literal

from pydantic import Field, model_validator

from lung_ssp.cohort.nodules.settings import SourceSettings
from lung_ssp.cohort.settings import CohortSettings
from lung_ssp.ct.settings import ParenchymaSettings, SectionSettings, WorkingGridSettings
from lung_ssp.settings import Settings

MOST_SCANS = 10_000


class LungScanSettings(Settings):
    """One scan and its lung mask, as paths inside the cohort's folder of scans."""

    name: str = Field(min_length=1, max_length=200, description="of the scan, and of its patient")
    series: str = Field(min_length=1, description="a volume in HU (.nii, .nii.gz, .nrrd, .mha, .mhd)")
    lungs: str = Field(min_length=1, description="a mask of the lungs, on any grid (likewise)")


class LungScansCohortSettings(CohortSettings):
    """A cohort of scans without marked lesions; all of them are for training."""

    folder: str = Field(min_length=1, description="folder that holds the scans and their masks")
    scans: list[LungScanSettings] = Field(min_length=1, max_length=MOST_SCANS, description="the scans")
    excluded: str | None = Field(
        None,
        description="CSV file of places that are not learned from, such as unmarked nodules (lung_scans/places.py)",
    )
    own_lungs: bool = Field(
        False, description="search also what the lung mask of a diagnosis adds to the given one, such as the hila"
    )
    source: SourceSettings = Field(description="where the scans come from")

    @model_validator(mode="after")
    def _names_differ(self) -> "LungScansCohortSettings":
        name, times = Counter(scan.name for scan in self.scans).most_common(1)[0]
        if times > 1:
            raise ValueError(f"scans names {name} {times} times: give each scan a name of its own")
        return self


class LungScansSettings(Settings):
    """A configuration file that prepares a cohort of scans without marked lesions."""

    task: Literal["lung_scans"] = Field(description="which task this file is for")
    cohort: LungScansCohortSettings = Field(description="the cohort, and where it goes")
    slices: WorkingGridSettings = Field(WorkingGridSettings(), description="the segmentation network's grid")
    parenchyma: ParenchymaSettings = Field(ParenchymaSettings(), description="the lung mask of cohort.own_lungs")
    section: SectionSettings = Field(SectionSettings(), description="of sections, of which this cohort has none")
