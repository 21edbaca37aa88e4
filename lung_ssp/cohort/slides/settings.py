"""How tiles are cut from pathology slides."""

from pydantic import Field, model_validator

from lung_ssp.settings import Settings

LARGEST_SLIDE = 2_000_000_000  # bytes of the tiles of one slide


class SlideSettings(Settings):
    """Tiles of tissue, all of one size and one resolution, whatever the scanner's."""

    size: int = Field(
        28, ge=8, le=1024, description="height and width of a tile in pixels; the classifier's model.image_size"
    )
    mpp: float = Field(3.0, gt=0, description="micrometres a pixel of a tile")
    min_tissue: float = Field(0.6, gt=0, le=1, description="smallest share of tissue in a tile")
    tiles_per_slide: int = Field(32, ge=1, le=10_000, description="most tiles of one slide, chosen at random")
    tissue_mpp: float = Field(8.0, gt=0, description="micrometres a pixel of the picture in which tissue is sought")
    smallest_part_mm2: float = Field(
        0.01, ge=0, description="parts of the tissue and holes in it smaller than this, in mm2, are dropped and filled"
    )

    @model_validator(mode="after")
    def _tissue_is_sought_coarsely(self) -> "SlideSettings":
        if self.tissue_mpp > self.size * self.mpp:
            raise ValueError(
                f"tissue_mpp is {self.tissue_mpp:g}, coarser than a whole tile of {self.size * self.mpp:g} micrometres"
            )
        return self

    @model_validator(mode="after")
    def _tiles_of_a_slide_fit_into_memory(self) -> "SlideSettings":
        if (size := 3 * self.size**2 * self.tiles_per_slide) > LARGEST_SLIDE:
            raise ValueError(
                f"the tiles of one slide would take {size / 1e9:.1f} GB, more than {LARGEST_SLIDE / 1e9:g}: lower size "
                "or tiles_per_slide"
            )
        return self
