import numpy as np
import pydicom
import pytest

from lung_ssp.ct.hounsfield import replace_padding
from lung_ssp.ct.series import open_series, read_series

UID = "1.2.826.0.1.3680043.8.498.1"


def test_padding_and_what_is_below_the_scale_become_air():
    values = np.array([[-3024, -2000, -1024, -1010, 40, 3071]])
    hu, shares = replace_padding(values, (-1010, -1010), "slice 1")
    assert hu.tolist() == [[-1000, -1000, -1024, -1000, 40, 3071]]
    assert hu.dtype == np.int16
    assert shares.pixels == 3
    assert (shares.air, shares.soft_tissue, shares.below_muscle) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_fractions_are_rounded():
    hu, _ = replace_padding(np.array([[-99.6, 0.4, 0.6, 10.0, 20.0, 30.0]]), None, "slice 1")
    assert hu.tolist() == [[-100, 0, 1, 10, 20, 30]]


def test_round_field_of_view_with_unsigned_padding_value(tmp_path, hu, write_series):
    """As LIDC's GE scans: -2000 stored outside the circle, PixelPaddingValue 63536, intercept -1024."""
    rows, columns = np.indices(hu[0].shape)
    outside = ((rows - 9.5) / 10) ** 2 + ((columns - 11.5) / 12) ** 2 > 1
    padded = np.where(outside, -3024, hu)
    write_series(tmp_path, padded, edit=lambda dataset, index: dataset.add_new(0x00280120, "US", 63536))
    volume = read_series(tmp_path)
    assert np.all(volume.hu[:, outside] == -1000)
    np.testing.assert_array_equal(volume.hu[:, ~outside], hu[:, ~outside])


PADDINGS = [
    # signed, bits stored, PixelPaddingValue, its VR, the pixels' bits
    (True, 16, -2000, "SS", -2000),
    (True, 16, 63536, "US", -2000),
    (True, 12, 63536, "US", -2000),
    (False, 16, -2000, "SS", 63536),
    (False, 16, 63536, "US", 63536),
    (False, 12, -2000, "SS", 63536),  # bits beyond those stored, which GDCM cuts off: 2096
    (False, 12, 63536, "US", 63536),
    (False, 16, 4095, "US", 4095),
    (False, 12, 0, "US", 0),
]


@pytest.mark.parametrize("syntax", [pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian])
@pytest.mark.parametrize(("signed", "bits", "value", "vr", "stored"), PADDINGS)
def test_padding_in_every_guise_is_air(tmp_path, hu, write_series, syntax, signed, bits, value, vr, stored):
    intercept = -1024 if not signed or bits == 16 else 0
    outside = np.zeros(hu[0].shape, bool)
    outside[:4, :6] = outside[-3:, -2:] = True
    shown = hu.clip(-1000, 1000)

    def pad(dataset, index):
        pixels = np.where(outside, stored, shown[index] - intercept)
        dataset.PixelData = (pixels & 0xFFFF).astype("<u2").tobytes()
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = int(signed), bits, bits - 1
        dataset.add_new(0x00280120, vr, value)
        dataset.file_meta.TransferSyntaxUID = syntax

    write_series(tmp_path, hu, intercepts=intercept, edit=pad)
    volume = read_series(tmp_path)
    assert np.all(volume.hu[:, outside] == -1000)
    np.testing.assert_array_equal(volume.hu[:, ~outside], shown[:, ~outside])


def test_a_padding_value_that_bone_has_too_is_padding_at_the_edge_only():
    values = np.full((5, 6), 40)
    values[0, :3] = values[1, 0] = 1072
    values[3, 3] = 1072
    expected = np.where(values == 1072, -1000, 40)
    expected[3, 3] = 1072
    hu, shares = replace_padding(values, (1072, 1072), "slice 1")
    np.testing.assert_array_equal(hu, expected)
    assert shares.pixels == 26


def test_missing_intercept(tmp_path, hu, write_series, refused):
    """Stored values taken for HU: air at 24, soft tissue at 1064."""
    paths = write_series(tmp_path, hu + 1024, intercepts=0)
    message = refused(read_series, tmp_path, reason="implausible HU")
    assert f"{paths[0]} (series {UID}) has neither air nor fat" in message


def test_one_slice_with_another_scale_is_named(tmp_path, hu, write_series, refused, change_tag):
    paths = write_series(tmp_path, hu)
    change_tag(paths[11], RescaleIntercept=0)
    message = refused(read_series, tmp_path)
    assert f"{paths[11]} (series {UID})" in message
    assert "implausible" in message


def test_intercept_applied_twice(tmp_path, hu, write_series, refused):
    write_series(tmp_path, hu - 1024)
    message = refused(read_series, tmp_path)
    assert UID in message
    assert "no soft tissue" in message


def test_no_air_anywhere(tmp_path, hu, write_series, refused):
    write_series(tmp_path, np.maximum(hu, -150))
    message = refused(read_series, tmp_path)
    assert UID in message
    assert "no air" in message


def test_blank_slice_between_others_is_named(tmp_path, hu, write_series, refused):
    blank = hu.copy()
    blank[6] = -1024
    paths = write_series(tmp_path, blank)
    message = refused(read_series, tmp_path)
    assert f"{paths[6]} (series {UID}) is blank" in message


def test_blank_slices_at_the_ends_are_possible(tmp_path, hu, write_series):
    blank = hu.copy()
    blank[[0, 17]] = -1024
    write_series(tmp_path, blank)
    np.testing.assert_array_equal(read_series(tmp_path).hu, blank)


def with_pixels(path, count, value):
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.copy()
    pixels.ravel()[:count] = value
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path)


def test_metal_beyond_sixteen_bits_is_clipped_and_told(tmp_path, hu, write_series):
    paths = write_series(tmp_path, hu, slopes=2.0)
    with_pixels(paths[2], 3, 30000)
    series = open_series(tmp_path)
    assert series.corrections == ("3 pixels above 32767 HU clipped",)
    assert series.volume.hu[2, 0, :4].tolist() == [32767, 32767, 32767, series.volume.hu[2, 0, 3]]
    assert series.volume.hu[2, 0, 3] < 0


def test_a_slice_that_is_beyond_sixteen_bits_in_many_places_is_told(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, hu, slopes=2.0)
    with_pixels(paths[2], 30, 30000)
    message = refused(read_series, tmp_path)
    assert f"{paths[2]} (series {UID}) holds 58976 HU" in message
