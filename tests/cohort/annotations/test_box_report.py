"""Boxes in DICOM reports, written by highdicom as the authors of Lung-PET-CT-Dx's reports write theirs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from lung_ssp.cohort.annotations.box_report import read_box_reports
from lung_ssp.ct.series import Series, open_series
from lung_ssp.errors import CohortError

Boxes = list[tuple[int, list[tuple[float, float]]]]


@pytest.fixture
def series(scan: Path) -> Series:
    return open_series(scan)


def corners(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    """The closed polyline of a box, in the order of the authors."""
    return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]


def write_boxes(folder: Path, files: list[Path], regions: list[tuple[Path, list[tuple[float, float]], str]]) -> Path:
    """A report of a CT series' files: of each region its image, its points and its kind."""
    sr = pytest.importorskip("highdicom.sr", reason="highdicom comes with the extra nlst")
    code = sr.CodedConcept
    person = sr.ObserverContext(
        code("121006", "DCM", "Person"), sr.PersonObserverIdentifyingAttributes(name="Anonymous^Reader")
    )
    groups = [
        sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(uid=generate_uid(), identifier=str(number)),
            referenced_region=sr.ImageRegion(
                graphic_type=sr.GraphicTypeValues(kind),
                graphic_data=np.array(points, float),
                source_image=sr.SourceImageForRegion.from_source_image(pydicom.dcmread(image, stop_before_pixels=True)),
            ),
            geometric_purpose=code("75958009", "SCT", "Bounded by"),
            finding_type=code("35917007", "SCT", "Adenocarcinoma"),
            finding_sites=[sr.FindingSite(anatomic_location=code("39607008", "SCT", "Lung"))],
        )
        for number, (image, points, kind) in enumerate(regions, start=1)
    ]
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_person_context=person),
        procedure_reported=code("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=groups,
    )
    written = sr.Comprehensive3DSR(
        evidence=[pydicom.dcmread(path, stop_before_pixels=True) for path in files],
        content=report,
        series_number=100,
        series_instance_uid=generate_uid(),
        sop_instance_uid=generate_uid(),
        series_description="Tumor bounding box",
        instance_number=1,
        manufacturer="Expert annotation from TCIA",
        is_complete=True,
        is_final=True,
    )
    folder.mkdir()
    written.save_as(folder / "sr.dcm", enforce_file_format=True)
    return folder


def image_of(series: Series, index: int) -> Path:
    path = series.slices[index].path
    assert path is not None
    return path


@pytest.fixture
def report(series: Series, scan: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a report of the series with regions (slice, points)."""
    numbers: Iterator[int] = iter(range(100))

    def write(boxes: Boxes, kind: str = "POLYLINE", files: Path = scan) -> Path:
        regions = [(image_of(series, index), points, kind) for index, points in boxes]
        return write_boxes(tmp_path / f"sr{next(numbers)}", sorted(files.iterdir()), regions)

    return write


def test_the_boxes_of_a_report_are_those_of_the_xml_files(report: Callable[..., Path], series: Series) -> None:
    folder = report([(3, corners(5, 8, 15, 20)), (4, corners(6, 8, 15.5, 20)), (4, corners(1, 1, 2, 2))])
    boxes = read_box_reports([folder], series)
    assert [(box.left, box.top, box.width, box.height) for box in boxes] == [
        (5, 8, 10, 12),
        (6, 8, 9.5, 12),
        (1, 1, 1, 1),
    ]
    assert [box.sop_uid for box in boxes] == [series.slices[index].sop_uid for index in (3, 4, 4)]
    assert {box.series_uid for box in boxes} == {series.volume.series_uid}


def test_a_report_of_another_series_of_the_study_is_left_out(
    report: Callable[..., Path], series: Series, make_scan: Callable[..., Path], tmp_path: Path
) -> None:
    other = make_scan(tmp_path / "other", key="another")
    own = open_series(other)
    regions = [(image_of(own, 3), corners(5, 8, 15, 20), "POLYLINE")]
    of_other = write_boxes(tmp_path / "sr of other", sorted(other.iterdir()), regions)
    assert read_box_reports([of_other], series) == ()
    assert len(read_box_reports([of_other, report([(3, corners(5, 8, 15, 20))])], series)) == 1


WRONG: dict[str, tuple[Any, str]] = {
    "a box that is empty or leaves the image": ([(3, corners(5, 8, 500, 20))], "POLYLINE"),
    "a region that is no upright box": ([(3, [(5, 8), (15, 9), (15, 20), (5, 20), (5, 8)])], "POLYLINE"),
    "a region of the kind 'POINT', not a box in pixels": ([(3, [(5, 8)])], "POINT"),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_region_that_is_no_box_is_refused(message: str, report: Callable[..., Path], series: Series) -> None:
    with pytest.raises(CohortError, match=message):
        read_box_reports([report(*WRONG[message])], series)


def test_a_box_on_an_image_that_the_series_lacks_is_refused(
    report: Callable[..., Path], series: Series, scan: Path, tmp_path: Path
) -> None:
    folder = report([(0, corners(5, 8, 15, 20))])
    part = tmp_path / "part"
    part.mkdir()
    for reference in series.slices[1:]:
        assert reference.path is not None
        (part / reference.path.name).write_bytes(reference.path.read_bytes())
    with pytest.raises(
        CohortError, match=rf"a box on the image {series.slices[0].sop_uid}, which the series .* does not"
    ):
        read_box_reports([folder], open_series(part))


def test_a_folder_without_a_report_is_refused(series: Series, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="holds 0 structured reports, not one: download it again"):
        read_box_reports([tmp_path], series)
    (tmp_path / "sr.dcm").write_bytes(bytes(128) + b"DICM" + bytes(50))
    with pytest.raises(CohortError, match=r"sr\.dcm|0 structured reports"):
        read_box_reports([tmp_path], series)
