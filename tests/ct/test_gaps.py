import numpy as np
import pytest

from lung_ssp.ct.series import SliceReference, open_series, read_series
from lung_ssp.ct.settings import GapSettings

UID = "1.2.826.0.1.3680043.8.498.1"


@pytest.fixture
def rising(hu):
    """Sixty slices (z, y, x), each 2 HU above the one below, so that interpolation is exact."""
    return np.clip(hu[0], -1000, 400) + 2 * np.arange(60, dtype=np.int16)[:, None, None]


def write_without(write_series, folder, hu, missing, **options):
    paths = write_series(folder, hu, **options)
    for index in missing:
        paths[index].unlink()
    return paths


def test_missing_slices_are_interpolated_and_counted(tmp_path, rising, write_series):
    paths = write_without(write_series, tmp_path, rising, [7, 20, 21, 30])
    series = open_series(tmp_path, accept=["gaps"], gaps=GapSettings(largest_share=0.1))
    np.testing.assert_array_equal(series.volume.hu, rising)
    assert series.volume.spacing == pytest.approx((2.5, 0.8, 0.7))
    assert series.corrections == (
        "2 gaps of 1 slice filled by interpolation",
        "1 gap of 2 slices filled by interpolation",
    )
    assert [z for z, reference in enumerate(series.slices) if reference == SliceReference(None, "", None)] == [
        7,
        20,
        21,
        30,
    ]
    assert [series.slices[z].path for z in (6, 8, 59)] == [paths[6], paths[8], paths[59]]


def test_interpolation_is_weighted_by_distance(tmp_path, hu, write_series):
    stack = np.concatenate([hu] * 4)
    write_without(write_series, tmp_path, stack, [20, 21, 22])
    series = open_series(tmp_path, accept=["gaps"])
    expected = 0.75 * stack[19].astype(float) + 0.25 * stack[23]
    np.testing.assert_allclose(series.volume.hu[20], expected, atol=0.5)
    kept = [z for z in range(72) if z not in (20, 21, 22)]
    np.testing.assert_array_equal(series.volume.hu[kept], stack[kept])


def test_gaps_under_rounded_positions(tmp_path, rising, write_series):
    """Steps of 0.625 mm written with one decimal, and three slices missing."""

    def rounded(dataset, index):
        dataset.ImagePositionPatient = [-100, -120, round(index * 0.625, 1)]

    write_without(write_series, tmp_path, rising, [31, 32, 33], edit=rounded)
    series = open_series(tmp_path, accept=["gaps"])
    np.testing.assert_array_equal(series.volume.hu, rising)
    assert series.volume.spacing[0] == pytest.approx(0.625, abs=0.005)


def test_a_series_without_gaps_is_as_ever(tmp_path, rising, write_series):
    write_series(tmp_path, rising)
    series = open_series(tmp_path, accept=["gaps"])
    np.testing.assert_array_equal(series.volume.hu, rising)
    assert series.corrections == ()


def test_too_many_in_a_row(tmp_path, rising, write_series, refused):
    paths = write_without(write_series, tmp_path, rising, range(20, 24))
    message = refused(open_series, tmp_path, None, ["gaps"], GapSettings(largest_share=0.5), reason="gap")
    assert f"lacks 4 slice(s) between {paths[19]} and {paths[24]}" in message
    assert "at most 3 in a row" in message
    assert len(open_series(tmp_path, accept=["gaps"], gaps=GapSettings(longest=4, largest_share=0.5)).slices) == 60


def test_too_many_in_all(tmp_path, rising, write_series, refused):
    write_without(write_series, tmp_path, rising, [10, 20, 30])
    assert len(open_series(tmp_path, accept=["gaps"]).slices) == 60  # 3 of 60 are 5 %
    write_without(write_series, tmp_path, rising, [10, 20, 30, 40])
    message = refused(open_series, tmp_path, None, ["gaps"], reason="gap")
    assert f"Series {UID} lacks 4 of 60 slices" in message
    assert "at most 5%" in message


def test_a_gap_that_is_no_multiple_of_the_step(tmp_path, rising, write_series, refused):
    def shifted(dataset, index):
        dataset.ImagePositionPatient = [-100, -120, 30 + 2.5 * (index + 0.6 * (index >= 30))]

    write_without(write_series, tmp_path, rising, [], edit=shifted)
    assert "irregular" in refused(open_series, tmp_path, None, ["gaps"], reason="irregular")


def test_missing_slice_is_told_with_its_neighbours(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, hu)
    paths[9].unlink()
    message = refused(read_series, tmp_path, reason="gap")
    assert "--accept gaps" in message
    assert f"Series {UID} lacks 1 slice(s) between {paths[8]} and {paths[10]}" in message


def test_several_missing_slices_are_counted(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, np.concatenate([hu, hu]))
    for path in paths[20:23]:
        path.unlink()
    assert "lacks 3 slice(s)" in refused(read_series, tmp_path, reason="gap")


def test_irregular_positions(tmp_path, hu, write_series, refused, change_tag):
    paths = write_series(tmp_path, hu)
    change_tag(paths[9], ImagePositionPatient=[-100, -120, 30 + 9 * 2.5 + 0.6])
    message = refused(read_series, tmp_path, reason="irregular")
    assert f"Series {UID} is irregular" in message
    assert str(paths[9]) in message


def test_rounded_positions_are_regular_enough(tmp_path, hu, write_series):
    """Steps of 0.625 mm written with one decimal are 0.6 and 0.7 mm."""

    def rounded(dataset, index):
        dataset.ImagePositionPatient = [-100, -120, round(index * 0.625, 1)]

    write_series(tmp_path, hu, edit=rounded)
    assert read_series(tmp_path).spacing[0] == pytest.approx(0.625, abs=0.005)


def test_small_differences_of_the_steps_do_not_add_up(tmp_path, rising, write_series, refused):
    """Thirty steps of 0.5 mm below thirty of 0.6 mm: in the middle 1.5 mm beside an even grid."""

    def two_spacings(dataset, index):
        dataset.ImagePositionPatient = [-100, -120, 0.5 * index + 0.1 * max(0, index - 30)]

    paths = write_series(tmp_path, rising, edit=two_spacings)
    message = refused(read_series, tmp_path, reason="irregular")
    assert "0.50 to 0.60 mm apart" in message and f"{paths[30]} lies 1.5 mm" in message
