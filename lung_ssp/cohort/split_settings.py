"""Settings of the division of patients into train, validation and test."""

from typing import Annotated

from pydantic import Field, model_validator

from lung_ssp.settings import Settings


class SplitSettings(Settings):
    """How patients are divided."""

    shares: list[Annotated[float, Field(ge=0, le=1)]] = Field(
        [0.7, 0.1, 0.2], min_length=3, max_length=3, description="of train, validation, test"
    )
    seed: int = Field(0, ge=0, description="of the division")

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> "SplitSettings":
        if abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"shares must sum to 1, but sum to {sum(self.shares):g}")
        return self
