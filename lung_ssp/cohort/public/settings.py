"""The description of a public collection, and the settings with which a cohort is made from it."""

import re
from fnmatch import fnmatch
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from lung_ssp.cohort.annotations.settings import AnnotationSettings
from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.cohort.idc.settings import DownloadSettings
from lung_ssp.cohort.nlst.settings import WorkerSettings
from lung_ssp.cohort.settings import SplitSettings
from lung_ssp.ct.settings import ParenchymaSettings, ReadingSettings, SectionSettings, WorkingGridSettings
from lung_ssp.settings import Settings

Role = Literal["outlines", "ratings", "boxes"]
Line = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]


def regular_expression(text: str) -> str:
    """A regular expression.

    Raises:
        ValueError: it is none.
    """
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(regular_expression)]


class PublicFolders(Settings):
    """Where things lie, from the working folder."""

    plan: str = Field(min_length=1, description="the plan: which series are wanted")
    images: str = Field(min_length=1, description="the downloaded series, one folder each, named by its UID")
    samples: str = Field(min_length=1, description="the samples of each series")
    cohort: str = Field(min_length=1, description="the prepared cohort")
    annotations: str | None = Field(
        None, description="folder with annotation files that the index does not have (XML), at any depth; null: none"
    )


class ScanSettings(Settings):
    """Which CT series are scans of the chest that annotations can belong to."""

    modality: Literal["CT"] = Field("CT", description="Modality (0008,0060) in the index")
    min_slices: int = Field(16, ge=1, le=100_000, description="with fewer, no scan can be read")
    leave_out: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        description="patterns (* and ?, in any case) of SeriesDescriptions that are no chest scans",
    )

    def leaves_out(self, description: str) -> bool:
        """Whether a SeriesDescription fits one of the patterns."""
        return any(fnmatch(description.lower(), pattern.lower()) for pattern in self.leave_out)


class AnnotationSource(Settings):
    """Series of annotations in the index. They belong to the planned CT series of their study.

    The index does not name the series that an annotation refers to: where a study has several CT series, reading the
    annotation decides.
    """

    role: Role = Field(description="outlines (DICOM-SEG), ratings (DICOM-SR) or boxes (DICOM-SR)")
    modality: Literal["SEG", "SR"] = Field(description="Modality (0008,0060) in the index")
    analysis: Line = Field(description="analysis_result_id in the index")
    description: Pattern = Field(".*", description="regular expression of the whole SeriesDescription")


class PatientLetter(Settings):
    """The pathology by a letter of the patient's name."""

    pattern: Pattern = Field(description="regular expression of the whole PatientID; its first group is the letter")
    classes: dict[str, str] = Field(min_length=1, description="from the letter to the name of the class")

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        if re.compile(pattern).groups != 1:
            raise ValueError("must have one group, the letter")
        return pattern

    @field_validator("classes")
    @classmethod
    def _known(cls, classes: dict[str, str]) -> dict[str, str]:
        for name in classes.values():
            if name not in CLASS_NAMES:
                raise ValueError(f"{name!r} is no class: {', '.join(CLASS_NAMES)}")
        return classes


class AnnotationFiles(Settings):
    """The form of annotation files that the index does not have (folders.annotations)."""

    form: Literal["lidc", "voc"] = Field(
        "lidc",
        description="lidc: LIDC's XML, one file a series, which it names; voc: Pascal VOC's XML, one file an image, "
        "named by its SOPInstanceUID, in one folder a patient",
    )
    patient_prefix: str = Field("", description="voc: what a patient's folder lacks of the PatientID")


class CollectionSettings(Settings):
    """What a public collection is, and what of it is wanted."""

    index: str | None = Field(None, description="parquet file of IDC's index; null for the one of idc-index-data")
    collection: Line = Field(description="collection_id in the index")
    licence: list[Line] = Field(min_length=1, description="licences that its planned series may have, as in the index")
    citation: list[Line] = Field(min_length=1, description="what its users cite; every output names the first")
    scans: ScanSettings = Field(ScanSettings(), description="which CT series are scans")
    annotations: list[AnnotationSource] = Field(default_factory=list, description="series of annotations")
    files: AnnotationFiles = Field(AnnotationFiles(), description="the form of annotation files in folders.annotations")
    pathology: PatientLetter | None = Field(None, description="how a patient's pathology is known; null: not")


class NoduleSettings(Settings):
    """How the outlines of several readers become nodules."""

    consensus: float = Field(
        0.5, gt=0, le=1, description="a voxel belongs to a nodule where at least this share of its readers marked it"
    )
    most_readers: int = Field(
        4, ge=1, le=20, description="of one nodule; a group of more annotations is divided by a smaller distance"
    )
    apart_mm: float | None = Field(
        None,
        ge=0,
        le=100,
        description="annotations whose outlines come at most this near are of one nodule, mm; null: SliceThickness",
    )


class LabelSettings(Settings):
    """The labels of nodules that readers rated, by the same rules as those of an archive's nodules."""

    malignancy: str = Field(
        "nodules/malignancy.yml", min_length=1, description="rule of the image diagnosis: a file, or a shipped one"
    )
    diagnosis: str = Field(
        "nodules/diagnosis.yml", min_length=1, description="rule of the pathology diagnosis, likewise"
    )
    tissue_proven_only: bool = Field(
        False, description="leave out pathology diagnoses that no biopsy or resection proves"
    )
    table: str | None = Field(
        None, description="TCIA's table of diagnoses, saved as CSV; null: no nodule has a pathology diagnosis"
    )


class PublicSeriesSettings(Settings):
    """How one series is turned into samples: all that they depend on beside its files."""

    reading: ReadingSettings = Field(ReadingSettings(), description="which problems of a series are corrected")
    annotations: AnnotationSettings = Field(AnnotationSettings(), description="how masks and boxes are read")
    nodules: NoduleSettings = Field(NoduleSettings(), description="how readers' outlines become nodules")
    section: SectionSettings = Field(SectionSettings(), description="the section of a lesion")
    parenchyma: ParenchymaSettings = Field(ParenchymaSettings(), description="the lung mask")
    slices: WorkingGridSettings = Field(WorkingGridSettings(), description="the segmentation network's grid")


class PublicSettings(Settings):
    """A configuration file that prepares a cohort from a public collection."""

    task: Literal["public"] = Field(description="which task this file is for")
    name: str = Field(min_length=1, max_length=200, description="what outputs call the cohort")
    synthetic: Literal[False] = Field(False, description="public collections are of patients")
    folders: PublicFolders = Field(description="where things lie")
    source: CollectionSettings = Field(description="the collection")
    download: DownloadSettings = Field(DownloadSettings(), description="how series are fetched")
    series: PublicSeriesSettings = Field(PublicSeriesSettings(), description="what is done with one series")
    labels: LabelSettings | None = Field(
        None, description="how nodules that readers rated get their labels; null: by source.pathology alone"
    )
    split: SplitSettings = Field(SplitSettings(), description="how patients are divided")
    workers: WorkerSettings = Field(WorkerSettings(), description="the processes that prepare series")

    @model_validator(mode="after")
    def _one_source_of_pathology(self) -> "PublicSettings":
        if self.labels is not None and self.source.pathology is not None:
            raise ValueError("labels and source.pathology both give the pathology: set one of them to null")
        return self
