"""Settings of a configuration file that prepares the embedded cohort or one's own."""

from typing import Literal

from pydantic import Field, model_validator

from lung_ssp.cohort.settings import CohortSettings
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.ct.settings import ParenchymaSettings, SectionSettings, WorkingGridSettings
from lung_ssp.settings import Settings


class PreparationSettings(Settings):
    """A configuration file that prepares a cohort."""

    task: Literal["preparation"] = Field(description="which task this file is for")
    seed: int = Field(0, ge=0, description="of the embedded cohort")
    cohort: CohortSettings = Field(CohortSettings(), description="which cohort, and where it goes")
    section: SectionSettings = Field(SectionSettings(), description="the section of a lesion")
    parenchyma: ParenchymaSettings = Field(ParenchymaSettings(), description="the lung mask of a scan's slices")
    slices: WorkingGridSettings = Field(WorkingGridSettings(), description="the segmentation network's grid")
    patches: SlideSettings = Field(SlideSettings(), description="patches of pathology slides, where there are any")

    @model_validator(mode="after")
    def _both_branches_take_one_size(self) -> "PreparationSettings":
        if any(self.cohort.phantom.slides.patients) and self.patches.size != self.section.size:
            raise ValueError(
                f"patches.size is {self.patches.size} and section.size {self.section.size}: both branches of the "
                "classifier take images of one size"
            )
        return self
