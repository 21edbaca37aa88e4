"""Settings of the division of patients into train, validation and test."""

from pydantic import Field

from lung_ssp.settings import Settings, ThreeShares


class SplitSettings(Settings):
    """How patients are divided."""

    shares: ThreeShares = Field([0.7, 0.1, 0.2], description="of train, validation, test")
    seed: int = Field(0, ge=0, description="of the division")
