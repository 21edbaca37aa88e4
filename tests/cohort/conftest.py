"""An index in the form of the Imaging Data Commons', and a report of its readings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset

from lung_ssp.cohort.annotations.rating_report import CONCEPTS

ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"


@pytest.fixture
def index_row() -> Callable[..., dict[str, Any]]:
    """Makes a series in the columns of IDC's index: a CT of participant 100001's first year, unless changed."""

    def row(number: int, **changes: Any) -> dict[str, Any]:
        own = {
            "collection_id": "nlst",
            "analysis_result_id": None,
            "PatientID": "100001",
            "SeriesInstanceUID": f"1.2.3.{number}",
            "StudyInstanceUID": "1.2.9.1",
            "StudyDate": "1999-01-02",
            "Modality": "CT",
            "SeriesDescription": "0,OPA,GE,LSPLUS,STANDARD,360,2.5,120,80,0.1,1.5",
            "SeriesNumber": "2",
            "ManufacturerModelName": "LightSpeed Plus",
            "instanceCount": 150,
            "crdc_series_uuid": f"{number:08x}-0000-4000-8000-000000000000",
            "aws_bucket": "idc-open-data",
            "series_size_MB": 80.0,
        }
        return own | changes

    return row


@pytest.fixture
def write_index(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows as a parquet file in the form of IDC's index."""

    def write(rows: list[dict[str, Any]], name: str = "index.parquet") -> Path:
        pd.DataFrame(rows).to_parquet(tmp_path / name, index=False)
        return tmp_path / name

    return write


@pytest.fixture(scope="session")
def write_report() -> Callable[[Path, str, Mapping[str, str]], Path]:
    """Writes a DICOM report of an annotation's ratings into a new folder."""
    return _write_report


def _code(value: str) -> pydicom.Sequence:
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "99TEST", "meaning"
    return pydicom.Sequence([item])


def _write_report(folder: Path, name: str, values: Mapping[str, str]) -> Path:
    """A DICOM report with a code of each rating, two levels deep as TID 1500 has them."""
    folder.mkdir(parents=True)
    group = pydicom.Dataset()
    group.ConceptNameCodeSequence, group.ContentSequence = _code("125007"), pydicom.Sequence()
    concept_of = {rating: concept for concept, rating in CONCEPTS.items()}
    for rating, value in values.items():
        item = pydicom.Dataset()
        item.ConceptNameCodeSequence, item.ConceptCodeSequence = _code(concept_of[rating]), _code(value)
        group.ContentSequence.append(item)
    outer = pydicom.Dataset()
    outer.ConceptNameCodeSequence, outer.ContentSequence = _code("126010"), pydicom.Sequence([group])
    report = pydicom.Dataset()
    report.SOPClassUID, report.SOPInstanceUID, report.Modality = ENHANCED_SR, "1.2.3.4", "SR"
    report.SeriesInstanceUID, report.SeriesDescription = "1.2.3.5", f"{name} evaluations"
    report.ContentSequence = pydicom.Sequence([outer])
    report.file_meta = FileMetaDataset()
    report.file_meta.MediaStorageSOPClassUID, report.file_meta.MediaStorageSOPInstanceUID = ENHANCED_SR, "1.2.3.4"
    report.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    report.save_as(folder / "sr.dcm", enforce_file_format=True)
    return folder
