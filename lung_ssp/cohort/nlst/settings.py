"""Settings of a cohort made from the trial's own images and tables, from the plan to the samples."""

from typing import Literal

from pydantic import Field

from lung_ssp.cohort.annotations.settings import AnnotationSettings
from lung_ssp.cohort.nlst.plan_settings import DownloadSettings, PlanSettings
from lung_ssp.cohort.nlst.sample_settings import SampleSettings
from lung_ssp.cohort.settings import SplitSettings
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.ct.settings import ParenchymaSettings, ReadingSettings, SectionSettings, WorkingGridSettings
from lung_ssp.settings import Settings


class FolderSettings(Settings):
    """Where things lie, from the working folder."""

    plan: str = Field(description="the plan: which series are to be had")
    images: str = Field(description="the downloaded series, one folder each, named by its SeriesInstanceUID")
    tables: str = Field(description="the trial's tables, IDC's or CDAS's")
    samples: str = Field(description="what each series gave; files of different settings may lie here side by side")
    cohort: str = Field(description="the prepared cohort")
    salt: str = Field(description="file with the secret that turns participants into pseudonyms; made if missing")


class SeriesSettings(Settings):
    """What is done with one series: all that its samples depend on, beside its files and the tables."""

    reading: ReadingSettings = Field(ReadingSettings(), description="which corrections of a series are accepted")
    annotations: AnnotationSettings = Field(AnnotationSettings(), description="how masks and boxes are read")
    samples: SampleSettings = Field(SampleSettings(), description="what a sample is, and its labels")
    section: SectionSettings = Field(SectionSettings(), description="the section of a lesion")
    parenchyma: ParenchymaSettings = Field(ParenchymaSettings(), description="the lung mask")
    slices: WorkingGridSettings = Field(WorkingGridSettings(), description="the segmentation network's grid")


class WorkerSettings(Settings):
    """The processes that prepare series (dask.distributed), one thread each."""

    count: int = Field(2, ge=1, description="processes on this machine, where no scheduler is named")
    memory_gb: float = Field(2.0, gt=0.2, description="memory of each, in 1e9 bytes; beyond it a process is replaced")
    attempts: int = Field(5, ge=1, description="how many processes may die over a series before it counts as failed")


class NlstSettings(Settings):
    """A configuration file that prepares a cohort from the trial's images and tables."""

    task: Literal["nlst"] = Field(description="which task this file is for")
    name: str = Field(min_length=1, description="what outputs call the cohort")
    synthetic: bool = Field(description="whether the images are of phantoms: every output says so")
    folders: FolderSettings = Field(description="where things lie")
    plan: PlanSettings = Field(PlanSettings(), description="which series are wanted")
    download: DownloadSettings = Field(DownloadSettings(), description="how they are fetched")
    series: SeriesSettings = Field(SeriesSettings(), description="what is done with one series")
    candidates: str | None = Field(
        None, description="segmentation run that finds candidates where nobody has marked a lesion; null: none"
    )
    slides: SlideSettings | None = Field(None, description="patches of pathology slides; null: none")
    split: SplitSettings = Field(SplitSettings(), description="how patients are divided")
    workers: WorkerSettings = Field(WorkerSettings(), description="the processes that prepare series")
