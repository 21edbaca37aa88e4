import math

import numpy as np
import pytest

from lung_ssp.ct.series import read_series

UID = "1.2.826.0.1.3680043.8.498.1"


def test_missing_slice_is_told_with_its_neighbours(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, hu)
    paths[9].unlink()
    message = refused(read_series, tmp_path)
    assert f"Series {UID} lacks 1 slice(s) between {paths[8]} and {paths[10]}" in message


def test_several_missing_slices_are_counted(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, np.concatenate([hu, hu]))
    for path in paths[20:23]:
        path.unlink()
    assert "lacks 3 slice(s)" in refused(read_series, tmp_path)


def test_duplicate_position(tmp_path, hu, write_series, refused, change_tag):
    paths = write_series(tmp_path, hu)
    change_tag(paths[9], ImagePositionPatient=[-100, -120, 30 + 8 * 2.5])
    message = refused(read_series, tmp_path)
    assert f"Series {UID} has two slices at 50.00 mm" in message
    assert str(paths[8]) in message
    assert str(paths[9]) in message


def test_irregular_positions(tmp_path, hu, write_series, refused, change_tag):
    paths = write_series(tmp_path, hu)
    change_tag(paths[9], ImagePositionPatient=[-100, -120, 30 + 9 * 2.5 + 0.6])
    message = refused(read_series, tmp_path)
    assert f"Series {UID} is irregular" in message
    assert str(paths[9]) in message


def test_rounded_positions_are_regular_enough(tmp_path, hu, write_series):
    """Steps of 0.625 mm written with one decimal are 0.6 and 0.7 mm."""

    def rounded(dataset, index):
        dataset.ImagePositionPatient = [-100, -120, round(index * 0.625, 1)]

    write_series(tmp_path, hu, edit=rounded)
    assert read_series(tmp_path).spacing[0] == pytest.approx(0.625, abs=0.005)


def test_mixed_orientation(tmp_path, hu, write_series, refused, change_tag):
    paths = write_series(tmp_path, hu)
    change_tag(paths[4], ImageOrientationPatient=[1, 0, 0, 0, 0.998, 0.0632])
    message = refused(read_series, tmp_path)
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
    message = refused(read_series, tmp_path)
    assert UID in message
    assert "not axial" in message


def test_impossible_orientation(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, hu, orientation=(1, 0, 0, 0.5, 0.5, 0))
    message = refused(read_series, tmp_path)
    assert "impossible ImageOrientationPatient" in message
    assert any(str(path) in message for path in paths)


def test_tilted_gantry(tmp_path, hu, write_series, refused):
    """Tilted planes along a straight table: each slice lies a little beside the one below."""
    turn = math.radians(15)
    step = 2.5 / math.cos(turn)

    def along_the_table(dataset, index):
        dataset.ImagePositionPatient = [-100, -120, 30 + index * step]

    write_series(
        tmp_path, hu, orientation=(1, 0, 0, 0, round(math.cos(turn), 9), round(math.sin(turn), 9)), edit=along_the_table
    )
    message = refused(read_series, tmp_path)
    assert UID in message
    assert "tilted gantry" in message
    assert f"{17 * step * math.sin(turn):.1f} mm" in message
