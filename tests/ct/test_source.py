import os
import shutil

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet

from lung_ssp.ct.series import open_series, read_series
from lung_ssp.ct.source import LeftOut, shown_name

UID = "1.2.826.0.1.3680043.8.498.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def without_preamble(path, implicit_vr=True, little_endian=True):
    """As archives of raw network streams hold them: no preamble and no meta information."""
    dataset = pydicom.dcmread(path)
    if not little_endian:
        dataset.PixelData = dataset.pixel_array.astype(">i2").tobytes()
    syntax = pydicom.uid.ImplicitVRLittleEndian if implicit_vr else pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = syntax if little_endian else pydicom.uid.ExplicitVRBigEndian
    pydicom.dcmwrite(path, dataset, implicit_vr=implicit_vr, little_endian=little_endian, enforce_file_format=False)
    content = path.read_bytes()
    path.write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])


@pytest.mark.parametrize("chosen", [slice(None), slice(0, 3), slice(15, 18)])
@pytest.mark.parametrize("suffix", ["", ".dcm"])
def test_slices_without_preamble_are_slices(tmp_path, hu, write_series, chosen, suffix):
    implicit = lambda dataset, index: setattr(  # noqa: E731
        dataset.file_meta, "TransferSyntaxUID", pydicom.uid.ImplicitVRLittleEndian
    )
    paths = [path.rename(path.with_suffix(suffix)) for path in write_series(tmp_path, hu, edit=implicit)]
    for path in paths[chosen]:
        without_preamble(path)
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)


@pytest.mark.parametrize("suffix", ["", ".dcm"])
@pytest.mark.parametrize("little_endian", [True, False])
def test_explicit_slices_without_preamble_in_either_byte_order(tmp_path, hu, write_series, little_endian, suffix):
    for path in write_series(tmp_path, hu):
        without_preamble(path, implicit_vr=False, little_endian=little_endian)
        path.rename(path.with_suffix(suffix))
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)


def test_a_slice_that_does_not_name_its_class_is_a_slice(tmp_path, hu, write_series, change_tag):
    paths = write_series(tmp_path, hu)
    for path in (paths[0], paths[17]):
        dataset = pydicom.dcmread(path)
        del dataset.SOPClassUID, dataset.file_meta.MediaStorageSOPClassUID
        dataset.save_as(path)
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)


def test_what_is_left_out_is_told(tmp_path, hu, write_series, change_tag):
    paths = [path.rename(path.with_suffix("")) for path in write_series(tmp_path, hu)]
    paths[17].write_bytes(b"")
    (tmp_path / "report.zip").write_bytes(b"PK")
    (tmp_path / "scan.nii.gz").write_bytes(b"volume")
    (tmp_path / "README").write_text("about the scan")
    shutil.copy(paths[0], tmp_path / "shot")
    change_tag(tmp_path / "shot", SOPClassUID=SECONDARY_CAPTURE)
    series = open_series(tmp_path)
    np.testing.assert_array_equal(series.volume.hu, hu[:17])
    assert set(series.left_out) == {
        LeftOut(paths[17], "empty file"),
        LeftOut(tmp_path / "report.zip", "zip archive"),
        LeftOut(tmp_path / "scan.nii.gz", "volume file"),
        LeftOut(tmp_path / "README", "file of another kind"),
        LeftOut(tmp_path / "shot", "Secondary Capture Image Storage"),
    }
    assert "1 x empty file left out" in series.remarks


def test_a_folder_without_ct_slices_tells_what_it_holds(tmp_path, hu, write_series, refused, change_tag):
    for path in write_series(tmp_path, hu):
        change_tag(path, SOPClassUID=SECONDARY_CAPTURE)
    message = refused(read_series, tmp_path, reason="not found")
    assert f"{tmp_path} holds no CT slice, only 18 x Secondary Capture Image Storage: give" in message


def test_a_kind_that_is_no_uid_is_shown_as_text(tmp_path, hu, write_series, refused):
    kind = b"1.2.840.10008.5.1.4.1.1.2"
    for path in write_series(tmp_path, hu):
        dataset = pydicom.dcmread(path)
        del dataset.SOPClassUID
        dataset.save_as(path)
        path.write_bytes(path.read_bytes().replace(kind, b"1.2\r\n\x1b[31m".ljust(len(kind), b"2")))
    message = refused(read_series, tmp_path, reason="not found")
    assert "\n" not in message and "\x1b" not in message


def test_a_damaged_file_of_another_series_does_not_stop_a_chosen_one(tmp_path, hu, write_series, refused):
    write_series(tmp_path / "a", hu)
    cut, garbled = write_series(tmp_path / "b", hu[:2], series_uid=f"{UID}.2")
    cut.write_bytes(cut.read_bytes()[:-900])
    garbled.write_bytes(garbled.read_bytes()[:180])
    assert "garbled" not in refused(read_series, tmp_path, reason="damaged")
    series = open_series(tmp_path, UID)
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert set(series.left_out) == {
        LeftOut(garbled, "damaged file, perhaps of this series"),
        LeftOut(cut, "CT image of another series"),
    }


def test_a_long_list_of_series_is_cut(tmp_path, hu, write_series, refused):
    for number in range(12):
        write_series(tmp_path / str(number), hu[:1], series_uid=f"{UID}.{number:02d}")
    message = refused(read_series, tmp_path, reason="several series")
    assert "holds 12 series" in message and f"{UID}.09 (1 slices), ..." in message and f"{UID}.10" not in message


def test_what_is_neither_file_nor_folder_is_told(tmp_path, refused):
    os.mkfifo(tmp_path / "pipe")
    assert "is neither a file nor a folder" in refused(read_series, tmp_path / "pipe", reason="not found")


@pytest.fixture
def disc(tmp_path, hu, write_series):
    """A folder with a DICOMDIR and the files that it lists."""

    def complete(dataset, index):
        dataset.StudyInstanceUID, dataset.StudyID, dataset.SeriesNumber = f"{UID}.9", "1", 1
        dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20200101", "120000", ""

    files = FileSet()
    for path in write_series(tmp_path / "single", hu, edit=complete):
        files.add(path)
    files.write(tmp_path / "disc")
    return tmp_path / "disc"


def test_the_files_of_a_dicomdir_are_read(disc, hu, write_series, tmp_path):
    write_series(disc / "more", hu, series_uid=f"{UID}.3")  # not listed
    np.testing.assert_array_equal(read_series(disc / "DICOMDIR").hu, hu)
    np.testing.assert_array_equal(read_series(disc, UID).hu, hu)


def test_a_dicomdir_whose_files_are_gone_is_told(disc, refused):
    slices = [path for path in disc.rglob("*") if path.is_file() and path.name != "DICOMDIR"]
    max(slices, key=lambda path: pydicom.dcmread(path).ImagePositionPatient[2]).unlink()
    message = refused(read_series, disc / "DICOMDIR", reason="damaged")
    assert f"{disc / 'DICOMDIR'} lists 1 CT image(s) that are not in its folder" in message
    assert open_series(disc / "DICOMDIR", UID).left_out[0].why == "damaged file, perhaps of this series"


def test_a_dicomdir_does_not_lead_out_of_its_folder(disc, refused):
    directory = pydicom.dcmread(disc / "DICOMDIR")
    for record in directory.DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            record.ReferencedFileID = ["..", "single", "000000.dcm"]
    directory.save_as(disc / "DICOMDIR")
    assert "lists 18 CT image(s) that are not in its folder" in refused(read_series, disc / "DICOMDIR")


def test_names_are_shown_as_text(tmp_path):
    odd = tmp_path / os.fsdecode(b"\xb7\xce\x1b[31m")
    assert shown_name(odd, tmp_path) == r"\udcb7\udcce\x1b[31m"
    assert shown_name(tmp_path / "a" / "b", tmp_path) == "a/b"
    assert shown_name(tmp_path / "a" / "b", tmp_path / "c") == "b"
