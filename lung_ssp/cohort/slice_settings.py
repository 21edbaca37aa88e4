"""Settings of the grid that the segmentation network works on."""

from typing import Annotated

from pydantic import Field

from lung_ssp.settings import Interval, Positive, Settings, Three


class SliceSettings(Settings):
    """The working grid of the segmentation network.

    The slices are resampled along z as well, so that a neighbouring slice is always the same number of millimetres
    away.
    """

    spacing_mm: Annotated[list[Positive], Three] = Field(
        [2.5, 1.4, 1.4], description="distance of the voxels along z, y, x in mm"
    )
    margin_mm: float = Field(10.0, ge=0, description="what is kept around the box of the lungs in mm")
    window_hu: Interval = Field([-1000.0, 400.0], description="HU that become 0 and 1; beyond them it is clipped")
