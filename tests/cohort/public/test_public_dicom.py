"""LIDC-IDRI-0001 with its readings as DICOM-SEG and SR gives the samples that its XML file gives.

The collection DICOM-LIDC-IDRI-Nodules (doi:10.7937/TCIA.2018.h7umfurq) has one of each for a reader and nodule. Those
of this scan are not at hand: highdicom writes them here from the XML file (LIDC-IDRI, CC BY 3.0), in the collection's
form.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from lung_ssp.cohort.ratings import RATINGS
from lung_ssp.cohort.scans import read_scans
from lung_ssp.cohort.store import read_sections
from lung_ssp.ct.series import Series

# Codes of the authors' lists (github.com/QIICR/lidc2dicom): of each rating's concept, and of the values that are used.
LIDC = "99LIDCQIICR"
CONCEPTS = {
    "subtlety": ("C45992", "NCIt", "Subtlety score"),
    "internalStructure": ("200", LIDC, "Internal structure"),
    "calcification": ("C3672", "NCIt", "Calcification"),
    "sphericity": ("400", LIDC, "Sphericity"),
    "margin": ("C25563", "NCIt", "Margin"),
    "lobulation": ("C62175", "NCIt", "Lobulation"),
    "spiculation": ("C28749", "NCIt", "Spiculation"),
    "texture": ("C41144", "NCIt", "Texture"),
    "malignancy": ("RID36042", "RADLEX", "Malignancy"),
}
VALUES = {
    "subtlety": {value: f"10{value}" for value in range(1, 6)},
    "internalStructure": {1: "C12471"},
    "calcification": {6: "RID28473"},
    "sphericity": {1: "RID5811", 2: "002", 3: "RID5800", 4: "004", 5: "RID5799"},
    "margin": {1: "RID5709", 2: "002", 3: "003", 4: "004", 5: "RID5707"},
    "lobulation": {1: "601", 2: "002", 3: "003", 4: "004", 5: "605"},
    "spiculation": {1: "701", 2: "002", 3: "003", 4: "004", 5: "705"},
    "texture": {1: "RID50153", 2: "002", 3: "RID50152", 4: "004", 5: "RID50151"},
    "malignancy": {value: f"90{value}" for value in range(1, 6)},
}


def test_segmentations_and_reports_give_the_samples_of_the_xml_file(  # type: ignore[no-untyped-def]
    scan: tuple[Path, Path, Series],
    drawn: tuple[np.ndarray, dict[str, str]],
    prepare_lidc: Callable[..., Any],
    tmp_path: Path,
) -> None:
    pytest.importorskip("highdicom", reason="highdicom comes with the extra nlst")
    _, xml, series = scan
    masks, ratings = drawn
    readers = len(masks)
    assert readers == 4
    further = []
    for reader in range(readers):
        own = {name: int(values.split(";")[reader]) for name, values in ratings.items()}
        further += written(tmp_path / f"reader {reader}", series, reader, masks[reader], own)

    of_xml, _ = prepare_lidc("xml", [], [f"folders.annotations={xml.parent}"])
    of_dicom, _ = prepare_lidc("dicom", further, [])

    one, other = (pd.read_csv(cohort / "sections.csv", dtype=str).iloc[0] for cohort in (of_xml, of_dicom))
    assert (one["position_source"], other["position_source"]) == ("outlines: XML", "outlines: DICOM-SEG")
    alike = [name for name in one.index if name not in ("position_source", *RATINGS)]
    assert one[alike].fillna("").to_dict() == other[alike].fillna("").to_dict()
    assert {name: one[name] for name in RATINGS} == ratings
    assert by_reader(one) == by_reader(other)  # the order is that of the series' UIDs
    (first,), (second,) = read_scans(of_xml), read_scans(of_dicom)
    assert first.masks is not None and second.masks is not None
    with np.load(first.masks) as expected, np.load(second.masks) as found:
        assert sorted(expected.files) == sorted(found.files)
        for name in expected.files:
            assert np.array_equal(expected[name], found[name]), name
        assert np.count_nonzero(found["lesions"]) == np.count_nonzero(masks.sum(axis=0) >= 2) == 5428
    assert np.array_equal(*(read_sections(cohort, "train").images for cohort in (of_xml, of_dicom)))


def by_reader(row: pd.Series) -> list[tuple[str, ...]]:
    """The nine ratings of each reader, whose order is not told."""
    return sorted(zip(*(row[name].split(";") for name in RATINGS), strict=True))


def written(folder: Path, series: Series, reader: int, mask: np.ndarray, ratings: dict[str, int]) -> list[dict]:
    """A reader's segmentation and report, a folder each, and what the index says of them."""
    name = f"Nodule 1 - Annotation Nodule {reader + 1:03}"
    marked = np.flatnonzero(mask.any(axis=(1, 2)))
    slices = [pydicom.dcmread(reference.path) for reference in (series.slices[z] for z in marked)]
    segmentation = segmentation_of(
        name, slices[::-1], mask[marked][::-1]
    )  # of the slices in another order than the scan's
    report = report_of(name, segmentation, slices, ratings)
    rows = []
    for kind, made in (("SEG", segmentation), ("SR", report)):
        (folder / kind).mkdir(parents=True)
        made.save_as(folder / kind / "1.dcm", enforce_file_format=True)
        row = {"SeriesInstanceUID": str(made.SeriesInstanceUID), "SeriesDescription": str(made.SeriesDescription)}
        row |= {"Modality": kind, "instanceCount": 1, "analysis_result_id": "dicom_lidc_idri_nodules"}
        rows.append({**row, "folder": folder / kind})
    return rows


def uid(*parts: object) -> str:
    return str(generate_uid(entropy_srcs=[str(part) for part in parts]))


def segmentation_of(name: str, slices: list[pydicom.Dataset], mask: np.ndarray) -> pydicom.Dataset:
    """DICOM-SEG of one segment, frames only where the reader drew."""
    from highdicom.seg import Segmentation, SegmentDescription

    segment = SegmentDescription(
        1,
        name,
        codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.Nodule,
        "MANUAL",
        tracking_uid=uid(name),
        tracking_id=name,
    )
    return Segmentation(
        slices,
        mask.astype(np.uint8),
        "BINARY",
        [segment],
        series_instance_uid=uid(name, "SEG"),
        series_number=100,
        sop_instance_uid=uid(name, "SEG", 1),
        instance_number=1,
        manufacturer="tests",
        manufacturer_model_name="tests",
        software_versions="1",
        device_serial_number="1",
        series_description=f"Segmentation of {name}",
    )


def report_of(
    name: str, segmentation: pydicom.Dataset, slices: list[pydicom.Dataset], ratings: dict[str, int]
) -> pydicom.Dataset:
    """DICOM-SR (TID 1500) with the nine ratings of one segment."""
    from highdicom import sr

    observer = sr.ObserverContext(codes.DCM.Person, sr.PersonObserverIdentifyingAttributes("Reader^LIDC"))
    group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        sr.TrackingIdentifier(uid(name), name),
        referenced_segment=sr.ReferencedSegment(
            segmentation.SOPClassUID,
            segmentation.SOPInstanceUID,
            1,
            source_series=sr.SourceSeriesForSegmentation(slices[0].SeriesInstanceUID),
        ),
        finding_type=codes.SCT.Nodule,
        qualitative_evaluations=[
            sr.QualitativeEvaluation(
                Code(*CONCEPTS[rating]), Code(VALUES[rating][value], LIDC, f"{value} of the scale")
            )
            for rating, value in ratings.items()
        ],
    )
    content = sr.MeasurementReport(
        sr.ObservationContext(observer_person_context=observer), codes.LN.CTUnspecifiedBodyRegion, [group]
    )
    return sr.EnhancedSR(
        evidence=[segmentation, *slices],
        content=content[0],
        series_instance_uid=uid(name, "SR"),
        series_number=101,
        sop_instance_uid=uid(name, "SR", 1),
        instance_number=1,
        manufacturer="tests",
        series_description=f"{name} evaluations",
    )
