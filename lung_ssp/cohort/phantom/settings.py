"""Settings of the embedded cohort, synthetic and made from one seed; what it looks like and where it goes."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lung_ssp.cohort.phantom.looks import ClassLooks
from lung_ssp.cohort.phantom.slide_looks import SlideLooks
from lung_ssp.cohort.settings import CohortSettings
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.ct.settings import ParenchymaSettings, SectionSettings, WorkingGridSettings
from lung_ssp.settings import (
    Count,
    NotNegative,
    NotNegativeRange,
    Positive,
    Probability,
    Seed,
    Settings,
    Three,
    ThreeShares,
    Two,
    not_falling,
)

MOST_SECTIONS = 200_000  # of a split

Correlation = Annotated[float, Field(ge=0, le=0.65)]  # of the noise of neighbours that the scanner can make
CorrelationRange = Annotated[list[Correlation], Two, AfterValidator(not_falling)]
SliceRange = Annotated[list[Annotated[int, Field(ge=16, le=2000)]], Two, AfterValidator(not_falling)]
Millimetres = Annotated[float, Field(gt=0.05, le=1000)]  # of pixels, slices and fields: smaller ones take all memory
BlurRange = Annotated[list[Annotated[float, Field(ge=0, le=20)]], Two, AfterValidator(not_falling)]  # in mm
MillimetreRange = Annotated[list[Millimetres], Two, AfterValidator(not_falling)]
CountOfSplits = Annotated[list[Count], Three]  # of train, validation, test


class ClassCounts(Settings):
    """How many sections of each class; the names are those of the nine classes, in their order."""

    normal: Count
    adenocarcinoma: Count
    squamous_cell: Count
    bronchio_alveolar: Count
    large_cell: Count
    small_cell: Count
    carcinoid: Count
    pleomorphic: Count
    unclassified: Count

    def as_list(self) -> list[int]:
        """The counts of the classes 0..8."""
        return list(self.model_dump().values())

    @property
    def total(self) -> int:
        """All sections."""
        return sum(self.as_list())


def _counts(*values: int) -> ClassCounts:
    return ClassCounts(**dict(zip(ClassCounts.model_fields, values, strict=True)))


class SplitCounts(Settings):
    """Sections by their pathology, for each split.

    The cancers follow NLST's order of frequency (550 cancers within a year of a positive screen: adenocarcinoma 280,
    squamous 124, other and unknown 52, small cell 41, large cell 33, bronchio-alveolar 14, carcinoid 6; PMC8159850),
    with the rarest raised so that every class can be evaluated.
    """

    train: ClassCounts = _counts(3446, 1329, 596, 89, 165, 213, 56, 40, 266)
    validation: ClassCounts = _counts(434, 167, 75, 11, 21, 27, 7, 5, 33)
    test: ClassCounts = _counts(856, 330, 148, 22, 41, 53, 14, 10, 66)

    @model_validator(mode="after")
    def _none_is_empty(self) -> "SplitCounts":
        for split in SplitCounts.model_fields:
            if self.of(split).total == 0:
                raise ValueError(f"the {split} split needs at least one section")
            if self.of(split).total > MOST_SECTIONS:
                raise ValueError(f"the {split} split has {self.of(split).total:,} sections, {MOST_SECTIONS:,} at most")
        return self

    def of(self, split: str) -> ClassCounts:
        """The counts of one split."""
        return getattr(self, split)


class ReaderSettings(Settings):
    """The reader who gives the image diagnosis; what is `_when_small` fades as exp(-diameter / size_mm)."""

    noise: float = Field(0.40, ge=0.01, description="scale of the noise of his judgement, in units of log probability")
    noise_when_small: NotNegative = Field(0.5, description="what is added to it for the smallest lesions")
    lapse: Probability = Field(0.02, description="share of the cases in which he sees next to nothing")
    lapse_when_small: Probability = Field(0.10, description="what is added to it for the smallest lesions")
    size_mm: Positive = Field(12.0, description="diameter in mm at which smallness has fallen to 1/e")
    normal_calls: CountOfSplits | None = Field(
        None, description="how many sections of train, validation, test he calls normal; null: as many as truly are"
    )


class PatientSettings(Settings):
    """Who has which lesions in which screening years."""

    years_seen: ThreeShares = Field([0.5, 0.3, 0.2], description="shares of lesions seen in 1, 2, 3 screening years")
    normal_lesions: ThreeShares = Field([0.5, 0.3, 0.2], description="shares with 1, 2, 3 findings, without cancer")
    normal_beside_cancer: Probability = Field(0.2, description="share of cancer patients with a harmless finding too")
    pathology_share: Probability = Field(1.0, description="share of the patients whose pathology is known")


class ScannerSettings(Settings):
    """What a low-dose scanner does; each scan draws its values from these ranges, evenly."""

    blur_mm: BlurRange = Field([0.5, 0.9], description="standard deviation of the in-plane point spread in mm")
    noise_sd_hu: NotNegativeRange = Field([20.0, 60.0], description="standard deviation of the noise in HU")
    noise_lag1: CorrelationRange = Field([0.18, 0.5], description="noise correlation of neighbouring pixels in a slice")
    padding_hu: list[float] = Field(
        [-2000.0, -2048.0, -3024.0], min_length=1, description="what may stand outside the circular field, in HU"
    )


class PhantomSectionSettings(Settings):
    """The sections: lesions in a small surrounding, without the rest of the chest."""

    counts: SplitCounts = SplitCounts()
    pixel_mm: MillimetreRange = Field([0.6, 0.9], description="pixel in mm; NLST's scans have 0.48 to 0.89")
    slice_mm: MillimetreRange = Field([1.25, 2.5], description="slice thickness in mm")


class PhantomScanSettings(Settings):
    """The scans: whole chests as DICOM series, with their true lungs and lesions."""

    patients: CountOfSplits = Field([16, 4, 4], description="scans (one a patient) of train, validation, test")
    lesions: ClassCounts = Field(
        _counts(14, 20, 10, 6, 5, 6, 5, 3, 3),
        description="lesions of each class in all scans together, spread evenly over the patients",
    )
    max_diameter_mm: float = Field(30.0, gt=5, description="largest lesion in mm; nodules are up to 30, by definition")
    size: int = Field(256, ge=64, le=1024, description="pixels along each side of a slice")
    field_mm: MillimetreRange = Field([325.0, 380.0], description="diameter of the circular field in mm")
    slices: SliceRange = Field([80, 120], description="fewest and most slices of a scan")
    slice_mm: MillimetreRange = Field([2.3, 3.0], description="distance and thickness of the slices in mm")

    @model_validator(mode="after")
    def _lesions_have_a_scan(self) -> "PhantomScanSettings":
        if self.lesions.total and not sum(self.patients):
            raise ValueError(f"{self.lesions.total} lesions need at least one scan: give patients or set lesions to 0")
        return self


class PhantomSlideSettings(Settings):
    """The pathology slides: small DICOM-WSI pyramids, whose texture depends on the class."""

    patients: CountOfSplits = Field(
        [0, 0, 0],
        description="patients of train, validation, test with a slide (one each), of those with a cancer of known "
        "pathology; NLST has slides of 452 of its patients with cancer",
    )
    size: int = Field(768, ge=64, le=8192, description="pixels along each side of a slide")
    mpp: float = Field(1.0, ge=0.05, le=4, description="micrometres a pixel")
    looks: SlideLooks = Field(SlideLooks(), description="how the classes look on a slide")


class PhantomSettings(Settings):
    """The embedded cohort: synthetic, made from one seed."""

    sections: PhantomSectionSettings = PhantomSectionSettings()
    scans: PhantomScanSettings = PhantomScanSettings()
    patients: PatientSettings = PatientSettings()
    reader: ReaderSettings = ReaderSettings()
    scanner: ScannerSettings = ScannerSettings()
    looks: ClassLooks = ClassLooks()
    slides: PhantomSlideSettings = PhantomSlideSettings()

    @model_validator(mode="after")
    def _reader_can_call(self) -> "PhantomSettings":
        if self.reader.normal_calls is not None:
            for split, calls in zip(SplitCounts.model_fields, self.reader.normal_calls, strict=True):
                if calls > (total := self.sections.counts.of(split).total):
                    raise ValueError(f"the reader cannot call {calls} of the {total} {split} sections normal")
        return self


class PhantomCohortSettings(CohortSettings):
    """The embedded cohort: its name, its folder and what it holds."""

    simulated_nlst: bool = Field(
        False, description="also write the scans as NLST gives them: index, images by UID, masks, boxes (needs nlst)"
    )
    phantom: PhantomSettings = Field(PhantomSettings(), description="what it holds")


class PhantomPreparationSettings(Settings):
    """A configuration file that prepares the embedded cohort."""

    task: Literal["phantom"] = Field(description="which task this file is for")
    seed: Seed = Field(0, description="of all that is drawn at random")
    cohort: PhantomCohortSettings = Field(PhantomCohortSettings(), description="the cohort, and where it goes")
    section: SectionSettings = Field(SectionSettings(), description="the section of a lesion")
    parenchyma: ParenchymaSettings = Field(ParenchymaSettings(), description="the lung mask of a scan's slices")
    slices: WorkingGridSettings = Field(WorkingGridSettings(), description="the segmentation network's grid")
    tiles: SlideSettings = Field(SlideSettings(), description="tiles of pathology slides, where there are any")

    @model_validator(mode="after")
    def _both_branches_take_one_size(self) -> "PhantomPreparationSettings":
        if any(self.cohort.phantom.slides.patients) and self.tiles.size != self.section.size:
            raise ValueError(
                f"tiles.size is {self.tiles.size} and section.size {self.section.size}: both branches of the "
                "classifier take images of one size"
            )
        return self
