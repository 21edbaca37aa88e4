"""A synthetic scan as a series of DICOM files (CT Image Storage, DICOM PS3.3 A.3)."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from lung_ssp.cohort.description import PHANTOM_MAKER
from lung_ssp.cohort.phantom.data import shipped
from lung_ssp.cohort.phantom.scans import PhantomScan, PlannedScan
from lung_ssp.files import naming

STUDY_DATES = ("19990102", "20000102", "20010102")  # T0, T1, T2, as NLST's anonymised series have them
RESCALE_INTERCEPT = -1024
KERNEL = "PHANTOM"


def write_series(folder: Path, scan: PhantomScan, planned: PlannedScan, key: str, rng: np.random.Generator) -> None:
    """Write a scan as DICOM files into `folder`, which is made; their names say nothing about their order.

    Args:
        key: what the unique identifiers are derived from, beside the patient: the same key gives the same ones.
    """
    folder.mkdir(parents=True)
    series = _series(scan, planned, key)
    x, y, z = scan.origin
    names = rng.permutation(len(scan.hu)) + 1
    for index, (pixels, name) in enumerate(zip(scan.hu, names, strict=True)):
        height = z + index * scan.spacing[0]
        own = {
            "SOPInstanceUID": image_uid(key, planned, index),
            "InstanceNumber": str(len(scan.hu) - index),  # the head comes first
            "ImagePositionPatient": [_decimal(x), _decimal(y), _decimal(height)],
            "SliceLocation": _decimal(height),
            "PixelData": (pixels - RESCALE_INTERCEPT).astype("<i2").tobytes(),
        }
        save_file(folder / f"{name:06d}.dcm", series, own, ExplicitVRLittleEndian)


def save_file(path: Path, common: Mapping[str, Any], own: Mapping[str, Any], transfer_syntax: UID) -> None:
    """Write one DICOM file: the attributes, by keyword, that all files of a series have, and its own."""
    image = _dataset({**common, **own})
    image.file_meta = FileMetaDataset()
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.file_meta.TransferSyntaxUID = transfer_syntax
    with naming(path):
        image.save_as(path, enforce_file_format=True)


def _dataset(attributes: Mapping[str, Any]) -> Dataset:
    """Attributes by keyword as a dataset; a list of mappings is a sequence."""
    dataset = Dataset()
    for keyword, value in attributes.items():
        if isinstance(value, list):
            value = [_dataset(item) if isinstance(item, dict) else item for item in value]
        setattr(dataset, keyword, value)
    return dataset


def unique_identifier(*parts: object) -> UID:
    """A unique identifier under 2.25, the root for UUIDs (PS3.5 B.2)."""
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(map(str, parts))).int}")


def scan_uid(key: str, planned: PlannedScan, what: str) -> UID:
    """A unique identifier of a scan: of its "study", of its "series", or of something else that is made from it."""
    return unique_identifier(key, planned.patient, what, planned.study_year)


def image_uid(key: str, planned: PlannedScan, index: int) -> UID:
    """SOPInstanceUID (0008,0018) of a scan's slice, counted from 0 at the feet."""
    return unique_identifier(key, planned.patient, "image", index)


def series_description(study_year: int, field_mm: float, thickness_mm: float) -> str:
    """What stands in SeriesDescription (0008,103E), in the order that NLST's series have.

    Screening year, type (original, primary, axial), maker, model, kernel, field of view and slice thickness in mm, tube
    voltage in kV, tube current, effective current, pitch.
    """
    return f"{study_year},OPA,{PHANTOM_MAKER},SYNTHETIC,{KERNEL},{field_mm:.0f},{thickness_mm:.2f},120,na,na,na"


def _series(scan: PhantomScan, planned: PlannedScan, key: str) -> dict[str, Any]:
    """What all slices have in common."""
    thickness, row_mm, column_mm = scan.spacing
    rows, columns = scan.hu.shape[1:]
    field_mm = column_mm * columns
    return {
        **shipped("dicom_attributes")["ct"],
        **dict.fromkeys(("StudyDate", "SeriesDate", "ContentDate"), STUDY_DATES[planned.study_year]),
        "SeriesDescription": series_description(planned.study_year, field_mm, thickness),
        "PatientName": planned.patient,
        "PatientID": planned.patient,
        "SliceThickness": _decimal(thickness),
        "SpacingBetweenSlices": _decimal(thickness),
        "ReconstructionDiameter": _decimal(field_mm),
        "ConvolutionKernel": KERNEL,
        "StudyInstanceUID": scan_uid(key, planned, "study"),
        "SeriesInstanceUID": scan_uid(key, planned, "series"),
        "StudyID": f"T{planned.study_year}",
        "FrameOfReferenceUID": scan_uid(key, planned, "frame of reference"),
        "Rows": rows,
        "Columns": columns,
        "PixelSpacing": [_decimal(row_mm), _decimal(column_mm)],
        "PixelPaddingValue": scan.padding_hu - RESCALE_INTERCEPT,
        "RescaleIntercept": str(RESCALE_INTERCEPT),
    }


def _decimal(value: float) -> str:
    """A number as a decimal string of at most 16 characters (PS3.5 6.2)."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
