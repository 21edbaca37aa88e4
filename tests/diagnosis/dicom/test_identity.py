"""Whom the objects name: nobody, or exactly whom an archive needs."""

import base64
import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import dictionary_VR, keyword_dict
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence

from lung_ssp.diagnosis.diagnosis import Diagnosis

KEPT = {
    **{"PatientName": "Quixote^Dulcinea", "PatientID": "MRN-7391", "PatientBirthDate": "19510203", "PatientSex": "F"},
    **{"StudyDate": "20190817", "StudyTime": "131415", "StudyID": "STUDY-404", "AccessionNumber": "ACC-55501"},
}
MARKER = "Zyxwv"
DAY, CLOCK, DECIMAL, AGE = "19470311", "074713", "7391.517", "073Y"
PLANTED = {
    **dict.fromkeys(("LO", "SH", "ST", "LT", "UT", "UC", "PN"), MARKER),
    **{
        "DA": DAY,
        "TM": CLOCK,
        "DT": DAY + CLOCK,
        "DS": DECIMAL,
        "IS": "73915171",
        "AS": AGE,
        "AE": MARKER,
        "UR": MARKER,
    },
}
PICTURE = re.compile(rb"[A-Za-z0-9+/]{200,}={0,2}")  # in base64
SOUGHT = (MARKER, DAY, CLOCK, DECIMAL, "73915171", AGE)


def planted(dataset: FileDataset, _: int) -> None:
    """Markers in every text, date, person, age and number that the standard knows and the scan does not need."""
    for keyword in keyword_dict:
        vr = dictionary_VR(keyword)
        groups = pydicom.datadict.tag_for_keyword(keyword) >> 16
        if (
            vr in PLANTED
            and keyword not in dataset
            and groups not in (0x0000, 0x0002, 0x0004)
            and keyword not in NEEDED
        ):
            setattr(dataset, keyword, PLANTED[vr])
    for keyword in KEPT:
        setattr(dataset, keyword, PLANTED.get(dictionary_VR(keyword), "F"))
    inner = Dataset()
    inner.PatientName, inner.PatientID = MARKER, MARKER
    dataset.OtherPatientIDsSequence = Sequence([inner])
    dataset.private_block(0x0011, "CREATOR", create=True).add_new(1, "LO", MARKER)


NEEDED = (  # what tells one acquisition from another, or how pixels become HU
    *("NumberOfFrames", "RescaleType", "AcquisitionNumber", "KVP", "ConvolutionKernel", "FilterType"),
    *("TemporalPositionIdentifier", "NominalPercentageOfCardiacPhase"),
)


def objects_of(diagnosis: Diagnosis, folder: Path) -> list[FileDataset]:
    diagnosis.save(folder, ["seg", "sr"])
    return [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]


def written(folder: Path) -> bytes:
    """All that was written, unpacked where it is packed, with the names.

    Pictures within a page are unpacked in place: any four letters stand somewhere in base64.
    """
    found = [path.name.encode() for path in folder.iterdir()]
    for path in folder.iterdir():
        found.append(path.read_bytes())
        if path.suffix == ".gz":
            found.append(gzip.decompress(found[-1]))
        if path.suffix == ".html":
            found[-1] = PICTURE.sub(lambda picture: base64.b64decode(picture[0]), found[-1])
    return b"\n".join(found)


def test_nothing_of_what_a_series_says_of_people_and_days_is_written(
    new_series: Callable[..., Path],
    made_up: Callable[..., Diagnosis],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = new_series(tmp_path / "in", edit=planted)
    file = pydicom.dcmread(next(source.iterdir()))
    assert sum(MARKER in str(element.value) for element in file) > 500 and file.InstitutionName == MARKER
    assert all(word.encode() in written(source) for word in SOUGHT)
    made_up(source).save(tmp_path / "out", ["png", "html", "seg", "sr", "csv", "nifti", "nrrd"])
    printed = "".join(capfd.readouterr()) + caplog.text
    text = written(tmp_path / "out") + printed.encode()
    assert [word for word in SOUGHT if word.encode() in text] == []


def test_kept_is_what_an_archive_needs_and_nothing_else(
    new_series: Callable[..., Path], made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    def edit(dataset: FileDataset, index: int) -> None:
        planted(dataset, index)
        for keyword, value in KEPT.items():
            setattr(dataset, keyword, value)

    source = new_series(tmp_path / "in", edit=edit)
    for image in objects_of(made_up(source, keep_patient=True), tmp_path / "out"):
        assert {keyword: str(image[keyword].value) for keyword in KEPT} == KEPT
        assert (image.ContentDate, image.ContentTime) == (KEPT["StudyDate"], KEPT["StudyTime"])
    assert [word for word in SOUGHT if word.encode() in written(tmp_path / "out")] == []


def test_without_it_the_same_attributes_are_there_and_empty(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    for image in objects_of(made_up(small_series), tmp_path / "out"):
        assert all(keyword in image and image[keyword].is_empty for keyword in (*KEPT, "ReferringPhysicianName"))
        assert (image.ContentDate, image.ContentTime) == ("19000101", "000000")
        assert "InstitutionName" not in image and "InstanceCreationDate" not in image


def test_a_name_in_another_script_is_kept(
    new_series: Callable[..., Path], made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    def japanese(dataset: FileDataset, _: int) -> None:
        dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        dataset.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"

    source = new_series(tmp_path / "in", edit=japanese)
    for image in objects_of(made_up(source, keep_patient=True), tmp_path / "out"):
        assert image.SpecificCharacterSet == "ISO_IR 192"
        assert str(image.PatientName) == "Yamada^Tarou=山田^太郎=やまだ^たろう"


def test_no_clock_stands_in_a_file(small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path) -> None:
    """Every date and time of the objects is the neutral one, or empty."""
    dates = []
    for image in objects_of(made_up(small_series), tmp_path / "out"):
        for element in image.iterall():
            if element.VR in ("DA", "TM", "DT") and not element.is_empty:
                dates.append(str(element.value))
    assert set(dates) == {"19000101", "000000"}
