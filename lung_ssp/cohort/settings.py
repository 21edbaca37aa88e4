"""Settings that cohorts of every kind share."""

from pydantic import Field

from lung_ssp.settings import Settings, ThreeShares


class CohortSettings(Settings):
    """What a cohort is called, and where it goes."""

    name: str = Field("sections", min_length=1, description="what outputs call the cohort")
    root: str = Field(
        "output/cohort", min_length=1, description="folder of the prepared cohort, from the working folder"
    )


class SplitSettings(Settings):
    """How patients are divided at random."""

    shares: ThreeShares = Field([0.7, 0.1, 0.2], description="of train, validation, test")
    seed: int = Field(0, ge=0, description="of the division")
