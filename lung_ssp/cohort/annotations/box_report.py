"""Boxes around tumours out of DICOM structured reports (Lung-PET-CT-Dx in the Imaging Data Commons), one a CT series.

Each is a measurement report (TID 1500) with a group for each box: a closed polyline (SCOORD) of the four corners in
pixels, selected from one image. So its authors write it (github.com/deepakri201/SR_for_Lung_PET_CT_Dx), who take the
numbers of Pascal VOC's XML files as they are; what a group calls the tumour is not read.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from lung_ssp.cohort.annotations.box_files import MarkedBox
from lung_ssp.cohort.annotations.boxes import MOST_BOXES
from lung_ssp.cohort.annotations.report_file import content_items, only_report
from lung_ssp.ct.dicom_file import DicomFile
from lung_ssp.ct.elements import Elements
from lung_ssp.ct.series import Series
from lung_ssp.errors import CohortError, LungSspError, shown

CLOSED_BOX = 10  # numbers: x and y of four corners and of the first one again


def read_box_reports(folders: Sequence[Path], series: Series) -> tuple[MarkedBox, ...]:
    """The boxes on a series, of the reports of its study; reports of other series are left out.

    Args:
        folders: one report in each.

    Raises:
        CohortError: a report is damaged, a region is no upright box within its image, or lies on an image that the
            series lacks.
    """
    boxes: list[MarkedBox] = []
    for folder in folders:
        try:
            report = only_report(folder)
            if series.volume.series_uid in _series_of(report):
                boxes += _boxes_of(report, series)
        except CohortError:
            raise
        except LungSspError as error:
            raise CohortError(f"{folder}: the structured report cannot be read ({error})") from error
    return tuple(boxes)


def _series_of(report: DicomFile) -> set[str]:
    """The series that a report says it is of: its evidence (0040,A375)."""
    return {
        series.uid("SeriesInstanceUID")
        for study in report.elements.items("CurrentRequestedProcedureEvidenceSequence")
        for series in study.items("ReferencedSeriesSequence")
    }


def _boxes_of(report: DicomFile, series: Series) -> list[MarkedBox]:
    shapes = {slice_.sop_uid: slice_.header.shape for slice_ in series.slices if slice_.header is not None}
    boxes: list[MarkedBox] = []
    for item in content_items(report.elements):
        if item.text("ValueType") not in ("SCOORD", "SCOORD3D"):
            continue
        if len(boxes) >= MOST_BOXES:
            raise CohortError(f"{report.path} has more than {MOST_BOXES:,} boxes: download it again.")
        image = _image_of(item)
        if image not in shapes:
            raise CohortError(
                f"{report.path} has a box on the image {image or 'without a UID'}, which the series "
                f"{series.volume.series_uid} does not have: download both again."
            )
        left, top, right, bottom = _corners(report.path, item)
        rows, columns = shapes[image]
        if not (0 <= left < right <= columns and 0 <= top < bottom <= rows):
            raise CohortError(f"{report.path} has a box that is empty or leaves the image: download it again.")
        size = right - left, bottom - top
        boxes.append(MarkedBox(series.volume.series_uid, image, None, left, top, *size, fractions=False))
    if not boxes:
        raise CohortError(f"{report.path} is of the series {series.volume.series_uid}, but holds no box.")
    return boxes


def _image_of(region: Elements) -> str:
    """The SOPInstanceUID of the image that a region is selected from, empty where there is none."""
    images = [image for item in region.items("ContentSequence") for image in item.items("ReferencedSOPSequence")]
    return images[0].uid("ReferencedSOPInstanceUID") if len(images) == 1 else ""


def _corners(path: Path, region: Elements) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a region, in pixels."""
    kind = region.text("GraphicType")
    if region.text("ValueType") != "SCOORD" or kind != "POLYLINE":
        raise CohortError(f"{path} has a region of the kind {shown(kind)}, not a box in pixels (POLYLINE).")
    numbers = region.numbers("GraphicData", CLOSED_BOX)
    corners = list(zip(numbers[::2], numbers[1::2], strict=True))
    x, y = sorted(set(numbers[::2])), sorted(set(numbers[1::2]))
    upright = len(x) == len(y) == 2 and len(set(corners)) == 4 and corners[0] == corners[-1]
    if not upright or any(one[0] != two[0] and one[1] != two[1] for one, two in pairwise(corners)):
        raise CohortError(f"{path} has a region that is no upright box: download it again.")
    return x[0], y[0], x[1], y[1]
