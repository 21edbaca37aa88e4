"""Settings of annotations: masks, outlines and boxes of lesions."""

from typing import Annotated, Literal

from pydantic import Field

from lung_ssp.settings import Settings

SliceNumbers = Literal["instance_number", "from_head", "from_feet"]
LESION_SEGMENTS = ["*lesion*", "*nodule*", "*tumor*", "*tumour*", "*neoplasm*"]
LARGEST_LOSS = 0.5


class AnnotationSettings(Settings):
    """How masks and boxes of several sources become the lesions of a series."""

    consensus: float = Field(
        0.5,
        gt=0,
        le=1,
        description="LIDC: a voxel belongs to a nodule where at least this share of all readers of the file (four in "
        "LIDC-IDRI) outlined it; 0.5 is two of four",
    )
    outline_inside: bool = Field(
        True,
        description="LIDC: whether the pixels of an outline belong to the nodule; the usual label volumes count them, "
        "the readers' instruction was to draw along the first pixels outside",
    )
    lesion_segments: list[Annotated[str, Field(min_length=1)]] = Field(
        LESION_SEGMENTS,
        min_length=1,
        description="DICOM-SEG: patterns (* and ?, in any case) of the labels and types of segments that are lesions; "
        "NLSTSeg's labels read 'Lesion 1 - Tumor - Upper lobe of right lung'",
    )
    accept_other_series: bool = Field(
        False,
        description="DICOM-SEG: take a segmentation that names another series and another frame of reference, by its "
        "coordinates; within one frame of reference it is always taken",
    )
    largest_loss: float = Field(
        LARGEST_LOSS,
        gt=0,
        lt=1,
        description="a mask brought onto another grid may change its volume by this share at most",
    )
    nlstx_slice_number: SliceNumbers = Field(
        "instance_number",
        description="NLSTx: what its slice numbers count: InstanceNumber (0020,0013), or slices from the head or from "
        "the feet, from 1; the data set does not say. Boxes of one nodule in successive years show that the direction "
        "differs between series, so that it is no count from either end",
    )
