"""Settings of a cohort made from NLST's own images and tables, from the plan to the samples."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from lung_ssp.cohort.annotations.settings import AnnotationSettings
from lung_ssp.cohort.idc.settings import DownloadSettings
from lung_ssp.cohort.nlst.codes import NODULE, known_abnormalities
from lung_ssp.cohort.settings import SplitSettings
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.ct.settings import ParenchymaSettings, ReadingSettings, SectionSettings, WorkingGridSettings
from lung_ssp.settings import Settings

# The kernels of the index: standard and soft ones of every maker first, then those that sharpen edges and noise, the
# strongest last. Two makers hardly ever meet in one exam, so that the order matters within a maker.
KERNELS = (
    *("STANDARD", "SOFT", "BODY FILTER"),  # GE
    *("B30f", "B31f", "B30s", "B31s", "B35f", "B40f", "B41s", "B45f", "B20f"),  # Siemens
    *("B", "C", "A"),  # Philips
    *("FC10", "FC01", "FC11", "FC02"),  # Toshiba
    *("D", "EC"),
    *("B50f", "B50s", "B60f", "B60s", "B70f", "B80f"),
    *("FC30", "FC50", "FC51", "FC52", "FC53", "FC82"),
    *("LUNG", "BONE", "EDGE", "BONEPLUS"),
)


class FolderSettings(Settings):
    """Where things lie, from the working folder."""

    plan: str = Field(description="the plan: which series are wanted")
    images: str = Field(description="the downloaded series, one folder each, named by its SeriesInstanceUID")
    tables: str = Field(description="NLST's tables, IDC's or CDAS's")
    samples: str = Field(description="the samples of each series; those of different settings can lie side by side")
    cohort: str = Field(description="the prepared cohort")
    salt: str = Field(description="file with the secret that turns participants into pseudonyms; made if missing")


class SelectionSettings(Settings):
    """The rule that chooses one series of an exam.

    Of the usable ones: first by annotation (a lesion mask and boxes, a mask, boxes, neither; see
    PlanSettings.prefer_annotated), then the better type, the better kernel, the thinner slices, more slices, and last
    the series UID as text, so that the choice never depends on an order of reading.
    """

    types: list[str] = Field(
        ["OPA", "OSA"],
        min_length=1,
        description="types of the SeriesDescription's second field, best first: O original or D derived, P primary or "
        "S secondary, A axial (DICOM's ImageType); L, a localizer, is never usable",
    )
    min_slices: int = Field(
        80, ge=1, le=100_000, description="with fewer, slices of the allowed thickness do not cover the lungs"
    )
    max_slices: int | None = Field(None, ge=1, le=100_000, description="more are several acquisitions; null: no limit")
    max_thickness_mm: float = Field(2.5, gt=0, description="of a slice, as the SeriesDescription says, mm")
    kernels: list[str] = Field(
        list(KERNELS), description="reconstruction kernels, best first, as the index spells them"
    )
    other_kernels: Literal["last", "refuse"] = Field("last", description="whether others come last or are refused")

    @field_validator("types", "kernels")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"each may be listed once, {', '.join(twice)} is listed more often")
        return names

    @field_validator("types")
    @classmethod
    def _no_localizers(cls, types: list[str]) -> list[str]:
        if any(name.endswith("L") for name in types):
            raise ValueError("a type that ends with L is a localizer and never usable")
        return types


class BoxFiles(Settings):
    """Files of lesion boxes; the plan reads from them only which series are named."""

    sybil: str | None = Field(None, description="Sybil's JSON: series UID -> {SOP instance UID: boxes}")
    nlstx: str | None = Field(None, description="NLSTx's CSV, with the column seriesinstanceuids")


class PlanSettings(Settings):
    """Which series are planned, from which index."""

    index: str | None = Field(None, description="parquet file of IDC's index; null for the one of idc-index-data")
    collection: str = Field("nlst", description="collection_id in the index")
    lesion_masks: list[str] = Field(["nlstseg"], description="analysis_result_id of masks of lesions")
    lung_masks: list[str] = Field(
        ["totalsegmentator_ct_segmentations"],
        description="analysis_result_id of masks of organs, the lungs among them (110 MB each for TotalSegmentator's)",
    )
    slides: bool = Field(True, description="whether planned participants' pathology slides are downloaded as well")
    boxes: BoxFiles = Field(BoxFiles(), description="files of lesion boxes")
    prefer_annotated: bool = Field(
        True,
        description="whether a series with a lesion mask or boxes is preferred to the other usable ones of its exam",
    )
    selection: SelectionSettings = Field(SelectionSettings(), description="the rule that chooses a series")

    @field_validator("lung_masks")
    @classmethod
    def _one_role_each(cls, lung_masks: list[str], info: object) -> list[str]:
        both = sorted(set(lung_masks) & set(getattr(info, "data", {}).get("lesion_masks", [])))
        if both:
            raise ValueError(f"{', '.join(both)} already gives the lesion masks")
        return lung_masks


class SampleSettings(Settings):
    """How positions and labels of samples are made from NLST's tables."""

    days_to_diagnosis: int = Field(
        365,
        ge=0,
        le=100_000,
        description="an exam counts for a cancer that was diagnosed at most this many days after it",
    )
    max_slice_distance: int = Field(
        5,
        ge=0,
        le=100_000,
        description="how many slices a lesion may lie from sct_slice_num to be taken for that abnormality",
    )
    nodule_codes: Annotated[list[int], AfterValidator(known_abnormalities)] = Field(
        [NODULE], min_length=1, description="codes of sct_ab_desc that are samples; details are recorded for 51 only"
    )
    normal_candidates: int = Field(
        1,
        ge=0,
        le=1000,
        description="candidates taken from a negative exam without any abnormality, of patients without cancer",
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
        None, description="YAML file from ICD-O-3 morphology to class; null: cohort/nlst/histology.yml"
    )


class SeriesSettings(Settings):
    """How one series is turned into samples: all that they depend on beside its files and the tables."""

    reading: ReadingSettings = Field(ReadingSettings(), description="which problems of a series are corrected")
    annotations: AnnotationSettings = Field(AnnotationSettings(), description="how masks and boxes are read")
    samples: SampleSettings = Field(SampleSettings(), description="what a sample is, and its labels")
    section: SectionSettings = Field(SectionSettings(), description="the section of a lesion")
    parenchyma: ParenchymaSettings = Field(ParenchymaSettings(), description="the lung mask")
    slices: WorkingGridSettings = Field(WorkingGridSettings(), description="the segmentation network's grid")


class WorkerSettings(Settings):
    """The processes that prepare series (dask.distributed), one thread each."""

    count: int = Field(2, ge=1, le=256, description="processes on this machine, where no scheduler is named")
    memory_gb: float = Field(
        2.0, gt=0.2, le=10_000, description="memory of each, in 1e9 bytes; beyond it a process is replaced"
    )
    attempts: int = Field(
        5, ge=1, le=100, description="how many processes may die of a series before it counts as failed"
    )


class NlstSettings(Settings):
    """A configuration file that prepares a cohort from NLST's images and tables."""

    task: Literal["nlst"] = Field(description="which task this file is for")
    name: str = Field(min_length=1, max_length=200, description="what outputs call the cohort")
    synthetic: bool = Field(description="whether the images are of phantoms: every output says so")
    folders: FolderSettings = Field(description="where things lie")
    plan: PlanSettings = Field(PlanSettings(), description="which series are wanted")
    download: DownloadSettings = Field(DownloadSettings(), description="how they are fetched")
    series: SeriesSettings = Field(SeriesSettings(), description="what is done with one series")
    candidates: str | None = Field(
        None, description="segmentation run that finds candidates where no lesion is marked; null: none"
    )
    slides: SlideSettings | None = Field(None, description="tiles of pathology slides; null: none")
    split: SplitSettings = Field(SplitSettings(), description="how patients are divided")
    workers: WorkerSettings = Field(WorkerSettings(), description="the processes that prepare series")
