"""Plain pixels read straight from the file are what GDCM makes of them; everything else is left to GDCM."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from lung_ssp.ct import pixels
from lung_ssp.ct.pixels import read_pixels
from lung_ssp.ct.slice_header import SliceHeader, parse_header, read_dataset
from lung_ssp.errors import SeriesError


def header_of(path: Path) -> SliceHeader:
    dataset = read_dataset(path)
    assert dataset is not None
    return parse_header(path, dataset)


@pytest.fixture
def by_gdcm(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that GDCM was given."""
    given: list[Path] = []
    decode = pixels._by_gdcm

    def noted(header: SliceHeader) -> np.ndarray:
        given.append(header.path)
        return decode(header)

    monkeypatch.setattr(pixels, "_by_gdcm", noted)
    return given


def as_unsigned_12_bits(dataset, index):
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0


def as_implicit(dataset, index):
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian


PLAIN = {"signed": None, "unsigned": as_unsigned_12_bits, "implicit": as_implicit}


@pytest.mark.parametrize("edit", PLAIN.values(), ids=PLAIN)
def test_plain_pixels_need_no_decoder_and_are_the_same(write_series, hu, tmp_path, by_gdcm, edit):
    for path in write_series(tmp_path, hu, edit=edit):
        header = header_of(path)
        values = read_pixels(header)
        assert not by_gdcm
        np.testing.assert_array_equal(values, pixels._by_gdcm(header))
        by_gdcm.clear()


def test_sums_beyond_16_bits_are_kept(write_series, hu, tmp_path, by_gdcm):
    stored = np.full(hu.shape, 32000, np.int32)
    stored[:, 0, 0] = -32000
    paths = write_series(tmp_path, stored + 5000, intercepts=5000.0)
    values = read_pixels(header_of(paths[0]))
    assert not by_gdcm
    assert (values[0, 0], values[1, 1]) == (-27000, 37000)


def test_16_bit_sums_pass_over_the_end_of_the_stored_kind(write_series, hu, tmp_path, by_gdcm):
    def unsigned(dataset, index):
        dataset.PixelRepresentation = 0
        dataset.PixelData = np.full(hu[0].shape, 40000, "<u2").tobytes()

    paths = write_series(tmp_path, hu, intercepts=-32768.0, edit=unsigned)
    values = read_pixels(header_of(paths[0]))
    assert not by_gdcm
    assert values.dtype == np.int16 and (values == 7232).all()


def with_a_slope(dataset, index):
    dataset.RescaleSlope = 1.5


def with_a_half(dataset, index):
    dataset.RescaleIntercept = -1024.5


def with_bits_elsewhere(dataset, index):
    dataset.BitsStored, dataset.HighBit = 12, 15


def with_more_bits_than_stored(dataset, index):
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 10, 9, 0  # and values up to 2024


def with_something_behind(dataset, index):
    dataset.add_new((0xFFFC, 0xFFFC), "OB", b"\0" * 8)


UNUSUAL = (with_a_slope, with_a_half, with_bits_elsewhere, with_more_bits_than_stored, with_something_behind)


@pytest.mark.parametrize("edit", UNUSUAL)
def test_what_is_unusual_is_left_to_gdcm(write_series, hu, tmp_path, by_gdcm, edit):
    paths = write_series(tmp_path, hu, edit=edit)
    read_pixels(header_of(paths[0]))
    assert by_gdcm == [paths[0]]


def test_a_file_that_is_cut_is_told(write_series, hu, tmp_path, by_gdcm):
    path = write_series(tmp_path, hu)[0]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SeriesError, match="truncated or damaged"):
        read_pixels(header_of(path))
    assert by_gdcm == [path]
