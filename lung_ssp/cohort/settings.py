"""Settings that cohorts of every kind share, and those of a cohort from a manifest."""

from typing import Literal

from pydantic import Field

from lung_ssp.cohort.annotations.settings import AnnotationSettings
from lung_ssp.ct.settings import ACCEPTED, Acceptable, GapSettings, SectionSettings
from lung_ssp.settings import Seed, Settings, ThreeShares


class CohortSettings(Settings):
    """What a cohort is called, and where it goes."""

    name: str = Field("sections", min_length=1, max_length=200, description="what outputs call the cohort")
    root: str = Field(
        "output/cohort", min_length=1, description="folder of the prepared cohort, from the working folder"
    )


class SplitSettings(Settings):
    """How patients are divided at random."""

    shares: ThreeShares = Field([0.7, 0.1, 0.2], description="of train, validation, test")
    seed: Seed = Field(0, description="of the division")


class ManifestCohortSettings(CohortSettings):
    """A cohort from a manifest: its name, its folder and its manifest."""

    manifest: str = Field(min_length=1, description="CSV file that lists the lesions (cohort/manifest_rows.py)")
    split: SplitSettings = Field(
        SplitSettings(), description="how patients are divided where the manifest has no splits"
    )
    annotations: AnnotationSettings = Field(AnnotationSettings(), description="how the manifest's masks are read")
    accept: list[Acceptable] = Field(default_factory=list, description=ACCEPTED)
    gaps: GapSettings = Field(GapSettings(), description="limits of the gaps that are accepted")


class ManifestSettings(Settings):
    """A configuration file that prepares a cohort from a manifest."""

    task: Literal["manifest"] = Field(description="which task this file is for")
    cohort: ManifestCohortSettings = Field(description="the cohort, and where it goes")
    section: SectionSettings = Field(SectionSettings(), description="the section of a lesion")
