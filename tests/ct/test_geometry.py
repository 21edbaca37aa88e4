import shutil

import numpy as np
import pydicom
import pytest

from lung_ssp.ct.series import open_series, read_series

UID = "1.2.826.0.1.3680043.8.498.1"


@pytest.fixture
def copy_slice(change_tag):
    """A function that copies a slice under another name and SOPInstanceUID, with other tags if wanted."""

    def copy(path, name, **tags):
        other = path.with_name(name)
        shutil.copy(path, other)
        change_tag(other, SOPInstanceUID=f"{UID}.9.{name[0]}", **tags)
        return other

    return copy


def test_mixed_orientation(tmp_path, hu, write_series, refused, change_tag):
    paths = write_series(tmp_path, hu)
    change_tag(paths[4], ImageOrientationPatient=[1, 0, 0, 0, 0.998, 0.0632])
    message = refused(read_series, tmp_path, reason="mixed")
    assert f"Series {UID} mixes orientations" in message
    assert str(paths[4]) in message


def test_mixed_sizes(tmp_path, hu, write_series, refused):
    write_series(tmp_path, hu)
    other = write_series(tmp_path / "more", hu[:1, :16], origin=(-100, -120, 80))
    message = refused(read_series, tmp_path)
    assert f"Series {UID} mixes sizes" in message
    assert str(other[0]) in message


def test_mixed_pixel_spacing(tmp_path, hu, write_series, refused, change_tag):
    paths = write_series(tmp_path, hu)
    change_tag(paths[4], PixelSpacing=[0.8, 0.71])
    message = refused(read_series, tmp_path)
    assert f"Series {UID} mixes pixel spacings" in message
    assert str(paths[4]) in message


def test_coronal_series(tmp_path, hu, write_series, refused):
    write_series(tmp_path, hu, orientation=(1, 0, 0, 0, 0, -1))
    message = refused(read_series, tmp_path, reason="orientation")
    assert UID in message
    assert "not axial" in message


def test_impossible_orientation(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, hu, orientation=(1, 0, 0, 0.5, 0.5, 0))
    message = refused(read_series, tmp_path)
    assert "impossible ImageOrientationPatient" in message
    assert any(str(path) in message for path in paths)


def test_the_same_slice_twice_is_refused_unless_accepted(tmp_path, hu, write_series, refused, copy_slice):
    paths = write_series(tmp_path, hu)
    other = copy_slice(paths[8], "9.dcm")
    message = refused(read_series, tmp_path, reason="duplicate")
    assert f"Series {UID} has two slices at 50.00 mm" in message
    assert str(paths[8]) in message
    assert str(other) in message
    assert "--accept duplicates" in message
    assert "two slices" in refused(open_series, tmp_path, None, ["tilt", "gaps"], reason="duplicate")
    series = open_series(tmp_path, accept=["duplicates"])
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert series.corrections == ("1 duplicate slice left out",)


@pytest.mark.parametrize(("number", "kept"), [(-5, 0), (1000, 1), (None, 1)])
def test_the_first_by_its_number_is_kept(tmp_path, hu, write_series, copy_slice, number, kept):
    paths = write_series(tmp_path, hu)
    other = copy_slice(paths[8], "9.dcm", InstanceNumber=number)
    series = open_series(tmp_path, accept=["duplicates"])
    assert series.slices[8].path == (other, paths[8])[kept]


def test_every_slice_three_times(tmp_path, hu, write_series, copy_slice):
    for path in write_series(tmp_path, hu):
        copy_slice(path, f"8{path.name}")
        copy_slice(path, f"9{path.name}")
    series = open_series(tmp_path, accept=["duplicates"])
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert series.corrections == ("36 duplicate slices left out",)


def test_slices_that_differ_are_never_chosen_from(tmp_path, hu, write_series, refused, copy_slice):
    paths = write_series(tmp_path, hu)
    other = copy_slice(paths[8], "9.dcm")
    dataset = pydicom.dcmread(other)
    pixels = dataset.pixel_array.copy()
    pixels[3, 4] += 1
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(other)
    message = refused(open_series, tmp_path, None, ["duplicates"], reason="duplicate")
    assert "with different pixels" in message
    assert str(paths[8]) in message
    assert str(other) in message


def test_duplicates_do_not_make_a_series_long_enough(tmp_path, hu, write_series, refused, copy_slice):
    copy_slice(write_series(tmp_path, hu[:15])[3], "9.dcm")
    assert "15 slices" in refused(open_series, tmp_path, None, ["duplicates"], reason="too few slices")
