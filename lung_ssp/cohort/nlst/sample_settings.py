"""Settings of what a sample of NLST is: which abnormalities count, and what a label needs."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from lung_ssp.cohort.nlst.codes import DESCRIPTIONS, NODULE
from lung_ssp.settings import Settings

Code = Annotated[int, Field(description="of sct_ab_desc")]


class SampleSettings(Settings):
    """How positions and labels of samples are made from the trial's tables."""

    days_to_diagnosis: int = Field(
        365, ge=0, description="an exam counts for a cancer that was diagnosed at most this many days after it"
    )
    max_slice_distance: int = Field(
        5, ge=0, description="how many slices a lesion may lie from sct_slice_num to be taken for that abnormality"
    )
    nodule_codes: list[Code] = Field(
        [NODULE], min_length=1, description="codes of sct_ab_desc that are samples; details are recorded for 51 only"
    )
    normal_candidates: int = Field(
        1, ge=0, description="candidates taken from a negative exam without any abnormality, of patients without cancer"
    )
    several_in_lobe: Literal["withheld", "all"] = Field(
        "withheld", description="the pathology where several lesions lie in the cancer's lobe: given to none or to all"
    )
    cancer_location: Literal["lobe", "any"] = Field(
        "lobe",
        description="what must be known of the places of a cancer and of a lesion: their lobes; or any, also the side "
        "alone (hilum, main bronchus; a lesion without lobes) or the level alone (ICD-O-3 topography)",
    )
    image_rule: str = Field(
        "nine_classes", min_length=1, description="nine_classes, appearance, or a YAML file of the same form"
    )
    morphology: str | None = Field(
        None, description="YAML file from ICD-O-3 morphology to class; null: cohort/nlst/morphology.yml"
    )

    @field_validator("nodule_codes")
    @classmethod
    def _are_codes(cls, codes: list[int]) -> list[int]:
        for code in codes:
            if code not in DESCRIPTIONS:
                raise ValueError(f"{code} is no code of sct_ab_desc: these are 51 to 65")
        return codes
