"""Settings of a download from the Imaging Data Commons."""

from pydantic import Field

from lung_ssp.settings import Settings


class DownloadSettings(Settings):
    """How the planned series are downloaded."""

    parallel: int = Field(4, ge=1, le=16, description="transfers that run at the same time")
    batch: int = Field(
        20, ge=1, le=10_000, description="series of one transfer, which are fetched again where it is interrupted"
    )
    attempts: int = Field(3, ge=1, le=100, description="how often an incomplete series is fetched")
    free_gb_kept: float = Field(10.0, ge=0, description="space that stays free on the disk, GB (1e9 bytes)")
    size_tolerance: float = Field(
        1e-4, ge=0, lt=1, description="by what share of its size in the index a series may differ"
    )
