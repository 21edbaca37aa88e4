import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lung_ssp.ct.section import WEIGHT_STEPS, make_section
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.ct.volume import mean_weights, window

SECTION = SectionSettings()
spacings = st.tuples(st.floats(1, 3), st.floats(0.5, 2.5), st.floats(0.5, 2.5))
centres = st.tuples(st.floats(-2, 2), st.floats(-2, 2))
BOX_MM = (12.0, 90.0, 90.0)


def grid(spacing, centre):
    """Positions in mm of the voxels along z, y, x; (0, 0) in y, x is `centre` away from the middle of the scan."""
    counts = [round(side / step) for side, step in zip(BOX_MM, spacing, strict=True)]
    axes = [(np.arange(count) - (count - 1) / 2) * step for count, step in zip(counts, spacing, strict=True)]
    return np.meshgrid(axes[0], axes[1] + centre[0], axes[2] + centre[1], indexing="ij")


def disk(radius, spacing, centre):
    z, y, x = grid(spacing, centre)
    mask = (y**2 + x**2 <= radius**2) & (np.abs(z) < 4)
    return np.where(mask, 0, -800).astype(np.int16), mask


def area_of(section, pixel_mm):
    """The area in mm2 of a disk of 0 HU before -800 HU."""
    return ((section * 1400 - 1000 + 800) / 800).sum() * pixel_mm**2


@given(st.integers(-1000, 400), spacings)
def test_a_constant_scan_gives_a_constant_section(hu, spacing):
    z, y, x = grid(spacing, (0, 0))
    section = make_section(np.full(z.shape, hu, np.int16), spacing, y**2 + x**2 < 100, SECTION)
    assert section.shape == (28, 28)
    assert section.dtype == np.float32
    np.testing.assert_allclose(section, (hu + 1000) / 1400, atol=1e-5)


@given(st.floats(5, 20), spacings, centres)
def test_the_area_of_a_disk(radius, spacing, centre):
    """The excess over the background, summed over pixels of 4 mm2, is the area of the disk as the scan shows it."""
    hu, mask = disk(radius, spacing, centre)
    section = make_section(hu, spacing, mask, SECTION)
    area = area_of(section, 2.0)
    sampled = np.count_nonzero(mask[len(mask) // 2]) * spacing[1] * spacing[2]
    assert area == pytest.approx(sampled, rel=1e-3)
    if max(spacing[1:]) < 1:
        assert area == pytest.approx(np.pi * radius**2, rel=0.06)


@given(st.floats(5, 15), spacings, centres)
def test_the_lesion_is_in_the_middle(radius, spacing, centre):
    section = make_section(*_with(disk(radius, spacing, centre), spacing), SECTION)
    weight = np.clip(section - section[0, 0], 0, None)
    index = np.arange(28)
    assert (weight.sum(1) @ index) / weight.sum() == pytest.approx(13.5, abs=0.02)
    assert (weight.sum(0) @ index) / weight.sum() == pytest.approx(13.5, abs=0.02)


def smooth(spacing, centre):
    z, y, x = grid(spacing, centre)
    hu = -800 + 900 * np.exp(-(y**2 + 1.5 * x**2 + 0.7 * x * y + 3 * z**2) / 300)
    return hu.astype(np.float32), y**2 + x**2 + 4 * z**2 <= 144


@pytest.mark.slow
@given(spacings, centres)
def test_a_smooth_lesion_looks_the_same_at_every_spacing_and_place(spacing, centre):
    """Up to what the sampling of the mask moves the centre and the slice by."""
    reference = make_section(*_with(smooth((1.0, 0.25, 0.25), (0, 0)), (1.0, 0.25, 0.25)), SECTION)
    section = make_section(*_with(smooth(spacing, centre), spacing), SECTION)
    np.testing.assert_allclose(section, reference, atol=0.04)


def test_whole_pixels_of_translation_change_nothing():
    hu = np.random.default_rng(0).normal(-700, 100, (5, 120, 120)).astype(np.int16)
    mask = np.zeros(hu.shape, bool)
    mask[2, 50:57, 60:65] = True
    moved = [np.roll(array, (3, -4), axis=(1, 2)) for array in (hu, mask)]
    spacing = (2.0, 0.7, 0.7)
    np.testing.assert_allclose(
        make_section(moved[0], spacing, moved[1], SECTION), make_section(hu, spacing, mask, SECTION), atol=1e-6
    )


def test_fine_patterns_become_their_mean():
    """A chessboard of 0.5 mm pixels of -600 and 0 HU is -300 HU in pixels of 2 mm; picked pixels would be -600 or 0."""
    hu = np.zeros((3, 140, 140), np.int16)
    hu[:, np.add.outer(np.arange(140), np.arange(140)) % 2 == 0] = -600
    mask = np.zeros(hu.shape, bool)
    mask[1, 60:80, 60:80] = True
    section = make_section(hu, (1.0, 0.5, 0.5), mask, SECTION)
    np.testing.assert_allclose(section, 700 / 1400, atol=1e-5)


def test_the_slice_of_the_largest_area():
    hu = np.repeat(np.array([-900, -600, -300, 0], np.int16), 1600).reshape(4, 40, 40)
    mask = np.zeros(hu.shape, bool)
    mask[1, 10:30, 10:30] = True
    mask[2, 8:32, 8:32] = True
    mask[3, 10:30, 10:30] = True
    assert make_section(hu, (2.0, 2.0, 2.0), mask, SECTION)[14, 14] == pytest.approx(700 / 1400)


def test_outside_the_scan_is_air_and_values_are_clipped():
    hu = np.full((3, 40, 40), 1000, np.int16)
    mask = np.zeros(hu.shape, bool)
    mask[1, :3, 19:21] = True
    section = make_section(hu, (2.0, 2.0, 2.0), mask, SECTION)
    assert section[:12].max() == 0  # beyond the upper border
    assert section[14:, 14].min() == 1  # bone above the window


def test_rows_run_along_y_and_columns_along_x():
    hu = np.full((1, 60, 60), -1000, np.int16)
    hu[0, 30:, 20:40] = 400
    mask = np.zeros(hu.shape, bool)
    mask[0, 28:32, 28:32] = True
    section = make_section(hu, (1.0, 1.0, 1.0), mask, SECTION)
    assert section[4, 14] == 0
    assert section[24, 14] == 1
    assert section[24, 2] == 0


@pytest.mark.parametrize(("size", "field"), [(14, 56.0), (56, 56.0), (28, 28.0)])
def test_size_and_field_are_settings(size, field):
    hu, mask = disk(10, (2.0, 1.0, 1.0), (0, 0))
    section = make_section(hu, (2.0, 1.0, 1.0), mask, SectionSettings(size=size, field_mm=field))
    assert section.shape == (size, size)
    assert area_of(section, field / size) == pytest.approx(np.pi * 100, rel=0.03)


@given(st.integers(0, 50), spacings)
def test_no_sum_is_rounded(seed, spacing):
    """It is what whole numbers give, in which the order of a sum does not matter."""
    hu = np.random.default_rng(seed).integers(-1024, 3072, (3, 90, 100), dtype=np.int16)
    mask = np.zeros(hu.shape, bool)
    mask[1, 40:47, 51:60] = True
    offsets_mm = (np.arange(28) - 13.5) * 2
    along_y, along_x = (
        np.rint(mean_weights(n, middle + offsets_mm / step, 2 / step).astype(float) * WEIGHT_STEPS).astype(np.int64)
        for n, middle, step in zip(hu.shape[1:], (43, 55), spacing[1:], strict=True)
    )
    above_air = along_y @ (hu[1].astype(np.int64) + 1000) @ along_x.T
    expected = window(above_air / WEIGHT_STEPS**2 - 1000, SECTION.window_hu)
    np.testing.assert_array_equal(make_section(hu, spacing, mask, SECTION), expected)


def test_bad_masks():
    hu = np.zeros((3, 8, 8), np.int16)
    with pytest.raises(ValueError, match="empty"):
        make_section(hu, (1.0, 1.0, 1.0), np.zeros(hu.shape, bool), SECTION)
    with pytest.raises(ValueError, match="shape"):
        make_section(hu, (1.0, 1.0, 1.0), np.ones((3, 8, 7), bool), SECTION)


def _with(scan, spacing):
    hu, mask = scan
    return hu, spacing, mask
