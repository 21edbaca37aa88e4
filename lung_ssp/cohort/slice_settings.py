"""Settings of the grid that the segmentation network works on."""

from pydantic import Field, model_validator

from lung_ssp.settings import Settings


class SliceSettings(Settings):
    """The working grid of the segmentation network.

    The slices are resampled along z as well, so that a neighbouring slice is always the same number of millimetres
    away.
    """

    spacing_mm: list[float] = Field(
        [2.5, 1.4, 1.4], min_length=3, max_length=3, description="distance of the voxels along z, y, x in mm"
    )
    margin_mm: float = Field(10.0, ge=0, description="what is kept around the box of the lungs in mm")
    window_hu: list[float] = Field(
        [-1000.0, 400.0], min_length=2, max_length=2, description="HU that become 0 and 1; beyond them it is clipped"
    )

    @model_validator(mode="after")
    def _possible(self) -> "SliceSettings":
        if min(self.spacing_mm) <= 0:
            raise ValueError(f"spacing_mm must be positive, but is {self.spacing_mm}")
        if self.window_hu[0] >= self.window_hu[1]:
            raise ValueError(f"window_hu must rise, but is {self.window_hu}")
        return self
