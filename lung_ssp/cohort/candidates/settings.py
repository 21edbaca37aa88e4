"""Settings of a cohort of candidates."""

from typing import Literal

from pydantic import Field, model_validator

from lung_ssp.cohort.settings import CohortSettings
from lung_ssp.ct.settings import NoduleSettings, PatchSettings, SectionSettings
from lung_ssp.settings import Probability, Seed, Settings

MOST_COHORTS = 20


class ScanCohortSettings(Settings):
    """A prepared cohort of scans, whose candidates that touch no lesion are false, and whose lesions are nodules."""

    root: str = Field(min_length=1, description="folder of the prepared cohort")
    validation: list[str] = Field(
        default_factory=list, description="scans that are moved to the validation split; the others keep their own"
    )
    test: list[str] = Field(default_factory=list, description="scans that are moved to the test split")

    @model_validator(mode="after")
    def _in_one_split(self) -> "ScanCohortSettings":
        named = [*self.validation, *self.test]
        if twice := next((name for name in named if named.count(name) > 1), None):
            raise ValueError(f"the scan {twice} is named twice: put it into one split")
        return self


class PlaceSettings(Settings):
    """Which places are taken as false candidates."""

    clear_mm: float = Field(10.0, gt=0, le=100, description="of a nodule's archive: least distance from readers' marks")
    inside_mm: float = Field(
        16.0, ge=0, le=100, description="of a nodule's archive: least distance from the border of its slices"
    )
    lung_hu: float = Field(-600.0, description="HU below which a voxel is lung here")
    lung_mm: float = Field(
        15.0, gt=0, le=100, description="radius in mm of the disc, in a slice, that lung_share is of"
    )
    lung_share: Probability = Field(
        0.4,
        description="least share of lung in the disc around a place; what is found in a scan lies in its lungs anyway",
    )
    vessel_mm: float = Field(3.0, gt=0, le=20, description="random places: lung lies as near as this")
    random_hu: float = Field(-500.0, description="random places: HU from which on; vessels, mostly")
    random_per_nodule: int = Field(3, ge=0, le=100, description="random places in the slices of each archived nodule")
    random_per_scan: int = Field(40, ge=0, le=10_000, description="random places in the lungs of each scan")
    grafted_per_scan: int = Field(
        40,
        ge=0,
        le=10_000,
        description="archived nodules of its split that are set into the lungs of each scan without "
        "any: else the network would tell the scanners apart instead",
    )


class CandidateCohortSettings(CohortSettings):
    """A cohort of candidates: what finds them, and where."""

    segmentation: str = Field(min_length=1, description="folder of the segmentation run that finds candidates")
    nodules: str | None = Field(None, min_length=1, description="folder of a prepared cohort of nodules; null: none")
    scans: list[ScanCohortSettings] = Field(
        default_factory=list,
        max_length=MOST_COHORTS,
        description="prepared cohorts of scans with known lesions or none",
    )
    seed: Seed = Field(0, description="of the random places")

    @model_validator(mode="after")
    def _has_sources(self) -> "CandidateCohortSettings":
        if self.nodules is None and not self.scans:
            raise ValueError("neither nodules nor scans are named: name at least one prepared cohort")
        roots = [scans.root for scans in self.scans]
        if len(set(roots)) < len(roots):
            raise ValueError("a cohort of scans is named twice: leave one out")
        return self


class CandidatesSettings(Settings):
    """A configuration file that prepares a cohort of candidates."""

    task: Literal["candidates"] = Field(description="which task this file is for")
    cohort: CandidateCohortSettings = Field(description="the cohort, and where it goes")
    candidates: NoduleSettings = Field(
        NoduleSettings(threshold=0.05, min_diameter_mm=2.5, max_candidates=200),
        description="candidates out of the probability",
    )
    places: PlaceSettings = Field(PlaceSettings(), description="which places are taken as false candidates")
    patch: PatchSettings = Field(PatchSettings(size=64), description="what is kept of a candidate")
    section: SectionSettings = Field(SectionSettings(), description="of sections, of which this cohort has none")
