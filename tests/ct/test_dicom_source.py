"""What is taken over from a series for objects that refer to it."""

from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset

from lung_ssp.ct.dicom_source import PatientAndStudy, dicom_source
from lung_ssp.ct.series import open_series
from lung_ssp.errors import SeriesError

UID = "1.2.826.0.1.3680043.8.498.1"


def complete(dataset: FileDataset, _: int) -> None:
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = f"{UID}.9", f"{UID}.8"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = "山田^太郎", "Ä-17"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.StudyDate = "19510203", "F", "20190817"
    dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "131415.5", "S", "A"


@pytest.fixture
def folder(tmp_path: Path, hu: np.ndarray, write_series: Callable[..., list[Path]]) -> Path:
    write_series(tmp_path / "in", hu, edit=complete)
    return tmp_path / "in"


def test_the_slices_are_told_in_the_order_of_the_volume(folder: Path) -> None:
    series = open_series(folder)
    assert series.dicom is not None and series.dicom.missing == ""
    assert [one.instance.sop_uid for one in series.dicom.headers] == [f"{UID}.{z + 1}" for z in range(18)]
    assert {one.instance.study_uid for one in series.dicom.headers} == {f"{UID}.9"}
    assert {one.instance.frame for one in series.dicom.headers} == {None}
    assert not series.dicom.straightened and series.dicom.lossy == ()


def test_the_patient_is_read_only_where_it_is_asked_for(folder: Path, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    for source in (folder, tmp_path / "in.zip"):
        assert open_series(source).dicom.patient is None
        assert open_series(source, keep_patient=True).dicom.patient == PatientAndStudy(
            "山田^太郎", "Ä-17", "19510203", "F", "20190817", "131415.5", "S", "A"
        )


@pytest.mark.parametrize(
    ("keyword", "value", "field"),
    [
        ("PatientBirthDate", "3 Feb 1951", "birth_date"),
        ("StudyTime", "noon", "study_time"),
        ("PatientBirthDate", "00000000", "birth_date"),
        ("StudyDate", "00000000", "study_date"),
        ("StudyDate", "20230230", "study_date"),
        ("StudyTime", "246060", "study_time"),
        ("PatientSex", "unknown", "sex"),
    ],
)
def test_what_is_not_as_the_standard_has_it_is_left_empty(folder: Path, keyword: str, value: str, field: str) -> None:
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        with pydicom.config.disable_value_validation():
            setattr(dataset, keyword, value)
            dataset.save_as(path)
    assert getattr(open_series(folder, keep_patient=True).dicom.patient, field) == ""


def test_a_name_in_an_unknown_script_is_left_out_or_read(folder: Path) -> None:
    """Never an error: the scan is what matters."""
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.save_as(path)
        path.write_bytes(path.read_bytes().replace(b"ISO_IR 192", b"ISO_IR 9x9"))
    assert open_series(folder, keep_patient=True).dicom.patient.name.isprintable()


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("StudyInstanceUID", None), ("FrameOfReferenceUID", None), ("StudyInstanceUID", "not a uid")],
)
def test_a_missing_identifier_is_named(folder: Path, keyword: str, value: str | None) -> None:
    path = sorted(folder.iterdir())[3]
    dataset = pydicom.dcmread(path)
    if value is None:
        del dataset[keyword]
    else:
        with pydicom.config.disable_value_validation():
            setattr(dataset, keyword, value)
    dataset.save_as(path)
    assert open_series(folder).dicom.missing == keyword


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID"])
def test_an_identifier_longer_than_the_standard_allows_is_missing(folder: Path, keyword: str) -> None:
    """The series is read as before; but what is left of the identifier would name another object."""
    before = open_series(folder)
    for number, path in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(path)
        own = f".{number + 1}" if keyword == "SOPInstanceUID" else ""
        with pydicom.config.disable_value_validation():
            setattr(dataset, keyword, f"1.2{own}.{'3' * 70}")
            dataset.save_as(path)
    series = open_series(folder)
    assert before.dicom.missing == "" and series.dicom.missing == keyword
    np.testing.assert_array_equal(series.volume.hu, before.volume.hu)


def test_an_identifier_of_64_characters_is_valid(folder: Path) -> None:
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.StudyInstanceUID = "1.2." + "3" * 60
        dataset.save_as(path)
    assert open_series(folder).dicom.missing == ""


def test_a_file_that_is_another_one_by_now_is_told(folder: Path) -> None:
    """Else the patient would silently not be kept."""
    headers = open_series(folder).dicom.headers
    headers[0].path.write_bytes(b"nothing of DICOM" * 20)
    with pytest.raises(SeriesError, match=r"is no DICOM file any more.*start again") as caught:
        dicom_source(headers, straightened=False, keep_patient=True)
    assert str(headers[0].path) in str(caught.value)


def test_what_was_lost_in_compression_is_told(folder: Path) -> None:
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.LossyImageCompression, dataset.LossyImageCompressionRatio = "01", "8.5"
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
        dataset.save_as(path)
    assert open_series(folder).dicom.lossy == ("01", "8.5", "ISO_10918_1")
