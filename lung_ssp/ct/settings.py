"""Settings of the steps that work on one scan."""

from collections.abc import Collection
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from lung_ssp.errors import ConfigError
from lung_ssp.settings import Interval, Settings, Three

Acceptable = Literal["tilt", "gaps", "duplicates"]
ACCEPTED = (
    "tilt: a tilted gantry's slices are straightened; gaps: missing slices are interpolated; "
    "duplicates: one of several identical slices is kept"
)


class GapSettings(Settings):
    """How many missing slices of a series are interpolated, where gaps are accepted."""

    longest: int = Field(3, ge=1, le=20, description="most slices missing in a row")
    largest_share: float = Field(0.05, gt=0, le=0.5, description="most slices missing, as a share of the whole series")


class ReadingSettings(Settings):
    """Which corrections of an irregular series are accepted."""

    accept: list[Acceptable] = Field(default_factory=list, description=ACCEPTED)
    gaps: GapSettings = Field(default_factory=GapSettings, description="limits of the gaps that are accepted")


def check_accept(names: Collection[str]) -> None:
    """Check the names of the corrections that are accepted.

    Raises:
        ConfigError: a name that is none of `Acceptable`.
    """
    for name in names:
        if name not in get_args(Acceptable):
            raise ConfigError(f"{name!r} cannot be accepted: choose from {', '.join(get_args(Acceptable))}.")


class SectionSettings(Settings):
    """The section of a lesion (the classifier's input)."""

    size: int = Field(28, ge=8, le=512, description="pixels along each side")
    field_mm: float = Field(56.0, gt=0, le=500, description="side of the field in mm; 56 on 28 pixels is 2 mm a pixel")
    window_hu: Interval = Field([-1000.0, 400.0], description="HU that become 0 and 1; beyond them it is clipped")


class ParenchymaSettings(Settings):
    """The lung mask (paper section 2, Fig. 1)."""

    recipe: Literal["paper", "lesion_preserving"] = Field(
        "lesion_preserving", description="the paper's recipe, or the one that keeps lesions at the wall"
    )
    clip_hu: Interval = Field([-1024.0, 400.0], description="HU are clipped to this range before Otsu's threshold")
    erosion_radius: int = Field(2, ge=0, le=50, description="paper: radius of the erosion in pixels")
    closing_radius: int = Field(5, ge=0, le=50, description="paper: radius of the closing in pixels")
    bridge_mm: float = Field(28.0, gt=0, le=100, description="lesion_preserving: how far up and down lung is sought")
    bridge_grid_mm: float = Field(3.0, gt=0, le=10, description="lesion_preserving: spacing of the grid of this search")
    largest_hole_cm2: float = Field(20.0, ge=0, description="holes of a slice are filled up to this area")
    volume_ml: Interval = Field([700.0, 7500.0], description="smallest and largest plausible volume in millilitres")


class WorkingGridSettings(Settings):
    """The grid that the segmentation network works on.

    The scan is resampled along z as well, so that a neighbouring slice is always the same number of millimetres away.
    """

    spacing_mm: Annotated[list[Annotated[float, Field(ge=0.1, le=50)]], Three] = Field(
        [2.5, 1.4, 1.4], description="of the voxels along z, y, x"
    )
    margin_mm: float = Field(10.0, ge=0, le=500, description="what is kept around the box of the lungs in mm")
    window_hu: Interval = Field([-1000.0, 400.0], description="HU that become 0 and 1; beyond them it is clipped")


class PatchSettings(Settings):
    """What is cut out around a candidate: axial slices at fixed distances, with pixels of a fixed size (2.5-D)."""

    slices: Literal[1, 3, 5, 7] = Field(5, description="axial slices, the candidate's own in the middle")
    slice_mm: float = Field(2.0, gt=0, le=20, description="distance of the slices in mm")
    size: int = Field(48, ge=16, le=256, multiple_of=2, description="pixels along each side")
    pixel_mm: float = Field(0.8, gt=0, le=10, description="side of a pixel in mm; 48 pixels of 0.8 mm are 38 mm")


class NoduleSettings(Settings):
    """Nodules out of the probability volume (paper section 3, Fig. 4)."""

    threshold: float = Field(0.5, gt=0, lt=1, description="probability from which on a voxel belongs to a nodule")
    min_diameter_mm: float = Field(3.0, ge=0, description="smallest equivalent diameter in mm")
    max_diameter_mm: float = Field(100.0, gt=0, description="largest equivalent diameter in mm")
    score_size_mm: float = Field(6.0, gt=0, description="side of the cube whose mean probability is the score, in mm")
    max_candidates: int = Field(50, ge=1, description="how many candidates are kept, the most suspicious ones")
    merge_mm: float | None = Field(
        None, gt=0, le=50, description="candidates whose voxels come as near as this are one; null: each is its own"
    )

    @model_validator(mode="after")
    def _diameters_rise(self) -> "NoduleSettings":
        if self.min_diameter_mm >= self.max_diameter_mm:
            raise ValueError(
                f"min_diameter_mm must be below max_diameter_mm, but they are {self.min_diameter_mm:g} and "
                f"{self.max_diameter_mm:g}"
            )
        return self
