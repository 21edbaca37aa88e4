"""Pixels are read straight from the file where they are not compressed; GDCM, which SimpleITK reads with, agrees."""

import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lung_ssp.ct.dicom_file import read_dicom
from lung_ssp.ct.pixels import read_pixels, rescale
from lung_ssp.ct.series import read_series
from lung_ssp.ct.slice_header import SliceHeader, parse_header


def header_of(path: Path) -> SliceHeader:
    file = read_dicom(path)
    assert file is not None
    return parse_header(file)


def by_gdcm(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO"))[0]


def as_unsigned_12_bits(dataset, index):
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0


def as_implicit(dataset, index):
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian


def with_a_slope(dataset, index):
    dataset.RescaleSlope = 1.5


def with_a_half(dataset, index):
    dataset.RescaleIntercept = -1024.5


def with_something_behind(dataset, index):
    dataset.add_new((0xFFFC, 0xFFFC), "OB", b"\0" * 8)


def with_32_bits(dataset, index):
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 32, 32, 31
    dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype("<i4").tobytes()


def with_8_bits(dataset, index):
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = (np.frombuffer(dataset.PixelData, "<i2") // 8 % 256).astype("u1").tobytes()


LAYOUTS = (
    lambda dataset, index: None,
    as_unsigned_12_bits,
    as_implicit,
    with_a_slope,
    with_a_half,
    with_something_behind,
    with_32_bits,
    with_8_bits,
)


@pytest.mark.parametrize("edit", LAYOUTS)
def test_pixels_are_what_gdcm_makes_of_them(write_series, hu, tmp_path, edit):
    for path in write_series(tmp_path, hu, edit=edit)[:3]:
        np.testing.assert_array_equal(read_pixels(header_of(path)), by_gdcm(path))


def stored_as(values, allocated, stored, high, signed):
    def edit(dataset, index):
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, stored, high
        dataset.PixelRepresentation = int(signed)
        dataset.PixelData = values.astype("<u2").tobytes()

    return edit


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("stored", "high"), [(16, 15), (12, 11), (12, 15), (12, 13), (10, 9)])
def test_bits_are_taken_from_where_the_header_says(write_series, hu, tmp_path, stored, high, signed):
    numbers = np.clip(hu[0] // 8, -(2 ** (stored - 1)), 2 ** (stored - 1) - 1) + (0 if signed else 2 ** (stored - 1))
    field = numbers.astype(int) & (2**stored - 1)
    above = np.arange(hu[0].size).reshape(hu[0].shape) % 3 if high < 14 else 0  # an overlay beside the numbers
    bits = (field << (high + 1 - stored)) | (above << (high + 1))
    path = write_series(tmp_path, hu[:1], edit=stored_as(bits, 16, stored, high, signed))[0]
    np.testing.assert_array_equal(read_pixels(header_of(path)), numbers - 1024)


def test_a_high_bit_that_the_pixels_contradict_is_told(write_series, hu, tmp_path, refused):
    path = write_series(tmp_path, hu[:1], edit=stored_as(hu[0] + 1024, 16, 12, 15, False))[0]
    message = refused(read_pixels, header_of(path), reason="header")
    assert f"{path} (series" in message and "HighBit 15 with 12 bits stored" in message


def test_big_endian(write_series, hu, tmp_path):
    path = write_series(tmp_path, hu[:1])[0]
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    pydicom.dcmwrite(path, dataset, little_endian=False, implicit_vr=False, force_encoding=True)
    np.testing.assert_array_equal(read_pixels(header_of(path)), hu[0])


def test_sums_beyond_16_bits_are_kept(write_series, hu, tmp_path):
    stored = np.full(hu.shape, 32000, np.int32)
    stored[:, 0, 0] = -32000
    paths = write_series(tmp_path, stored + 5000, intercepts=5000.0)
    values = read_pixels(header_of(paths[0]))
    assert (values[0, 0], values[1, 1]) == (-27000, 37000)


def test_16_bit_sums_pass_over_the_end_of_the_stored_kind(write_series, hu, tmp_path):
    def unsigned(dataset, index):
        dataset.PixelRepresentation = 0
        dataset.PixelData = np.full(hu[0].shape, 40000, "<u2").tobytes()

    paths = write_series(tmp_path, hu, intercepts=-32768.0, edit=unsigned)
    values = read_pixels(header_of(paths[0]))
    assert values.dtype == np.int16 and (values == 7232).all()


@given(
    arrays(st.sampled_from([np.int16, np.uint16, np.uint8, np.int32]), (3, 4)),
    st.sampled_from([1.0, 0.5, 2.0]),
    st.integers(-40000, 40000),
)
def test_rescaling_is_that_of_whole_numbers(numbers, slope, intercept):
    expected = numbers.astype(object) * slope + intercept
    assert (rescale(numbers, slope, float(intercept)) == expected).all()


@pytest.mark.parametrize("cut", [1, 100, 900])
def test_a_file_that_is_cut_is_told(write_series, hu, tmp_path, refused, cut):
    path = write_series(tmp_path, hu)[0]
    path.write_bytes(path.read_bytes()[:-cut])
    assert f"{path} (series" in refused(read_pixels, header_of(path), reason="damaged")


def test_a_few_bytes_behind_the_pixels_are_passed_over(write_series, hu, tmp_path, refused):
    def longer(dataset, index):
        dataset.PixelData += b"\0" * (40 if index == 0 else 48)  # a row has 48

    fitting, wrong = write_series(tmp_path, hu[:2], edit=longer)
    np.testing.assert_array_equal(read_pixels(header_of(fitting)), hu[0])
    assert "truncated or damaged" in refused(read_pixels, header_of(wrong), reason="damaged")


def test_a_disk_that_fails_is_no_damage_of_the_file(write_series, hu, tmp_path, monkeypatch):
    path = write_series(tmp_path, hu[:1])[0]
    dataset = pydicom.dcmread(path)
    dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    monkeypatch.setattr("lung_ssp.ct.decoding.tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError):
        read_pixels(header_of(path))


def test_pixels_of_another_size_than_the_header_says_are_told(write_series, hu, tmp_path, refused, change_tag):
    path = write_series(tmp_path, hu)[0]
    change_tag(path, Rows=hu.shape[1] + 1)
    assert "truncated or damaged" in refused(read_pixels, header_of(path), reason="damaged")


def test_a_compressed_frame_of_another_size_is_refused_before_it_is_unpacked(write_series, hu, tmp_path, refused):
    """Its own header says 4,096 x 4,096, that of the file 60 x 72."""
    path = write_series(tmp_path, np.tile(hu[:1], (1, 3, 3)))[0]
    dataset = pydicom.dcmread(path)
    dataset.compress(pydicom.uid.JPEG2000Lossless, generate_instance_uid=False)
    frame = bytearray(dataset.PixelData)
    begin = frame.find(b"\xff\x4f\xff\x51") + 8
    frame[begin : begin + 8] = (4096).to_bytes(4, "big") * 2
    dataset.PixelData = bytes(frame)
    dataset.save_as(path)
    assert "cannot be decoded" in refused(read_pixels, header_of(path), reason="damaged")


def test_a_fragment_that_declares_gigabytes_takes_no_memory(write_series, hu, tmp_path):
    path = write_series(tmp_path, hu[:1])[0]
    dataset = pydicom.dcmread(path)
    dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    content = path.read_bytes()
    fragment = content.rindex(b"\xfe\xff\x00\xe0")  # the last item's tag, before its length
    path.write_bytes(content[: fragment + 4] + b"\xf0\xff\xff\xff" + content[fragment + 8 :])
    tracemalloc.start()
    try:
        np.testing.assert_array_equal(read_pixels(header_of(path)), hu[0])
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()


def test_what_is_deflated_is_bounded(write_series, hu, tmp_path, refused, monkeypatch):
    path = write_series(tmp_path, hu[:1])[0]
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    np.testing.assert_array_equal(read_pixels(header_of(path)), hu[0])
    monkeypatch.setattr("lung_ssp.ct.dicom_file.LARGEST_INFLATED", 1000)
    assert "when it is inflated" in refused(read_dicom, path, reason="damaged")


@pytest.mark.parametrize("cut", [40, 400])
def test_the_decoder_writes_nothing_of_a_damaged_frame(write_series, hu, tmp_path, refused, capfd, cut):
    path = write_series(tmp_path, np.tile(hu, (1, 3, 3)))[4]
    dataset = pydicom.dcmread(path)
    dataset.compress(pydicom.uid.JPEG2000Lossless, generate_instance_uid=False)
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    dataset.PixelData = pydicom.encaps.encapsulate([frame[:-cut]])
    dataset.save_as(path)
    assert f"{path} (series" in refused(read_series, tmp_path, reason="damaged")
    assert capfd.readouterr() == ("", "")
    sys.stderr.write("heard")
    assert capfd.readouterr().err == "heard"
