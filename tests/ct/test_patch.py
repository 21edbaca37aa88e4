"""The patch of a candidate: where it lies, what it repeats, what it mirrors."""

import numpy as np
import pytest

from lung_ssp.ct.lesion import lesion_from_mask
from lung_ssp.ct.patch import Spot, Stack, cut_patch
from lung_ssp.ct.settings import PatchSettings
from lung_ssp.ct.volume import Volume

SETTINGS = PatchSettings(slices=5, slice_mm=2.0, size=16, pixel_mm=0.8)


def numbered(slices: int, step: float) -> Stack:
    """Slices that hold ten times their number."""
    hu = np.broadcast_to(10 * np.arange(slices, dtype=np.int16)[:, None, None], (slices, 40, 40))
    return Stack(hu, step * np.arange(slices), (0.8, 0.8))


def test_slices_lie_at_fixed_millimetres():
    patch = cut_patch(numbered(20, 1.0), Spot((10.0, 20.0, 20.0), 0, 19), SETTINGS)
    assert patch.shape == (5, 16, 16) and patch.dtype == np.int16
    assert (patch == patch[:, :1, :1]).all()
    assert patch[:, 0, 0].tolist() == [60, 80, 100, 120, 140]


def test_beyond_the_candidates_ends_its_last_slice_is_repeated():
    patch = cut_patch(numbered(20, 1.0), Spot((10.2, 20.0, 20.0), 9, 12), SETTINGS)
    assert patch[:, 0, 0].tolist() == [90, 90, 100, 120, 120]
    outside = cut_patch(numbered(20, 1.0), Spot((3.0, 20.0, 20.0), 9, 9), SETTINGS)  # a centre beside its own slices
    assert outside[:, 0, 0].tolist() == [90] * 5


def test_an_even_patch_has_the_centre_in_its_middle_and_pixels_of_its_own_size():
    hu = np.zeros((1, 41, 41), np.int16)
    hu[0] = 10 * np.arange(41)[:, None] + np.arange(41)  # a ramp, which interpolation and means keep
    patch = cut_patch(Stack(hu, np.zeros(1), (0.4, 1.6)), Spot((0.0, 20.0, 10.0), 0, 0), SETTINGS)
    assert patch[2, 7:9].mean() + patch[2, :, 7:9].mean() == pytest.approx(2 * 210, abs=1)
    assert np.diff(patch[2, :, 3]).mean() == pytest.approx(20)  # 0.8 mm are two rows down
    assert np.diff(patch[2, 3]).mean() == pytest.approx(0.5, abs=0.04)  # and half a column to the right


def test_beyond_the_border_the_slice_is_mirrored():
    hu = np.zeros((1, 40, 40), np.int16)
    hu[0] = np.arange(40)[:, None]
    patch = cut_patch(Stack(hu, np.zeros(1), (0.8, 0.8)), Spot((0.0, 2.5, 20.0), 0, 0), SETTINGS)
    assert patch[2, :, 0].tolist() == [5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_a_lesion_of_a_scan_is_found_wherever_the_scan_lies():
    hu = np.full((12, 50, 60), -850, np.int16)
    mask = np.zeros(hu.shape, bool)
    mask[5:8, 20:23, 40:43] = True
    hu[mask] = 50
    volume = Volume(hu, (1.5, 0.8, 0.8), origin=(-7.0, 12.0, 300.0), direction=(-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    spot = Spot.of(lesion_from_mask(mask, volume), volume)
    assert spot == Spot((pytest.approx(6.0), pytest.approx(21.0), pytest.approx(41.0)), 5, 7)
    patch = cut_patch(Stack.of(volume), spot, SETTINGS)
    bright = np.argwhere(patch[2] > -600)
    assert bright.min() == 6 and bright.max() == 9
