"""Settings of the plan: which series of the index are had, and by which rule."""

from typing import Literal

from pydantic import Field, field_validator

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
    min_slices: int = Field(80, ge=1, description="fewer do not cover the lungs at the thickness allowed")
    max_slices: int | None = Field(None, ge=1, description="more hold several acquisitions; null for no limit")
    max_thickness_mm: float = Field(2.5, gt=0, description="of a slice, as the SeriesDescription says, mm")
    kernels: list[str] = Field(
        list(KERNELS), description="reconstruction kernels, best first, as the index spells them"
    )
    other_kernels: Literal["last", "refuse"] = Field("last", description="what becomes of kernels not in the list")

    @field_validator("types", "kernels")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"each may stand once, {', '.join(twice)} stands more often")
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
    """What is planned."""

    index: str | None = Field(None, description="parquet file of IDC's index; null for the one of idc-index-data")
    collection: str = Field("nlst", description="collection_id in the index")
    lesion_masks: list[str] = Field(["nlstseg"], description="analysis_result_id of masks of lesions")
    lung_masks: list[str] = Field(
        ["totalsegmentator_ct_segmentations"],
        description="analysis_result_id of masks of organs, the lungs among them (110 MB each for TotalSegmentator's)",
    )
    slides: bool = Field(True, description="whether the pathology slides of planned participants are had as well")
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


class DownloadSettings(Settings):
    """How the planned series are had."""

    parallel: int = Field(4, ge=1, le=16, description="transfers that run at the same time")
    batch: int = Field(20, ge=1, description="series of one transfer; what an interrupted one loses")
    attempts: int = Field(3, ge=1, description="how often a series that did not arrive whole is fetched")
    free_gb_kept: float = Field(10.0, ge=0, description="space that stays free on the disk, GB (1e9 bytes)")
    size_tolerance: float = Field(
        1e-4, ge=0, lt=1, description="by how much of the index's size that of the files of a series may differ"
    )
