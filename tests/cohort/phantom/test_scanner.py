"""What the scanner does: partial volume, blur, noise, padding."""

import numpy as np
import pytest

from lung_ssp.cohort.phantom.scanner import (
    FINE_SLICES,
    Scanner,
    acquire,
    average_slices,
    correlated_noise,
    draw_scanner,
    mask_outside_field,
)
from lung_ssp.cohort.phantom.settings import ScannerSettings


def test_partial_volume_is_the_mean_of_the_fine_slices():
    """Half of a slice of lung (-800) and half of muscle (50) is -375."""
    truth = np.full((2 * FINE_SLICES, 4, 4), -800, dtype=np.float32)
    truth[FINE_SLICES // 2 : FINE_SLICES] = 50
    slices = average_slices(truth)
    assert slices.shape == (2, 4, 4)
    np.testing.assert_allclose(slices[0], -375)
    np.testing.assert_allclose(slices[1], -800)


def test_blur_spreads_a_point_in_the_plane_by_the_configured_width():
    truth = np.full((FINE_SLICES, 41, 41), 0, dtype=np.float32)
    truth[:, 20, 20] = 3000
    scan = acquire(truth, 0.5, Scanner(1.0, 0.0, 0.2, -2000), np.random.default_rng(0)).astype(float)[0]
    x = (np.arange(41) - 20) * 0.5
    assert np.sqrt((scan * x**2).sum() / scan.sum()) == pytest.approx(1.0, abs=0.05)  # mm
    assert scan.sum() == pytest.approx(3000, rel=0.02)


@pytest.mark.parametrize(("sd", "lag1"), [(20.0, 0.18), (60.0, 0.5), (40.0, 0.0)])
def test_noise_has_its_deviation_and_correlation(sd, lag1):
    noise = correlated_noise((20, 128, 128), sd, lag1, np.random.default_rng(1))
    assert noise.std() == pytest.approx(sd, rel=0.02)
    assert abs(noise.mean()) < 0.5

    def lag(distance: int) -> tuple[float, float]:
        along_x = np.mean(noise[:, :, distance:] * noise[:, :, :-distance]) / sd**2
        along_y = np.mean(noise[:, distance:] * noise[:, :-distance]) / sd**2
        return along_x, along_y

    assert lag(1) == pytest.approx((lag1, lag1), abs=0.02)
    assert max(lag(2)) < 0.1
    assert lag(3) == pytest.approx((0, 0), abs=0.02)
    assert np.mean(noise[1:] * noise[:-1]) / sd**2 == pytest.approx(0, abs=0.02)  # slices are independent


def test_the_scanner_is_drawn_from_its_ranges():
    settings = ScannerSettings()
    rng = np.random.default_rng(2)
    scanners = [draw_scanner(settings, rng) for _ in range(50)]
    assert all(20 <= s.noise_sd_hu <= 60 and 0.18 <= s.noise_lag1 <= 0.5 for s in scanners)
    assert {s.padding_hu for s in scanners} == {-2000, -2048, -3024}


def test_padding_lies_outside_the_circular_field_only():
    padded = mask_outside_field(np.zeros((2, 64, 64), dtype=np.int16), -2048)
    assert padded.dtype == np.int16
    assert (padded[:, 0, 0] == -2048).all() and (padded[:, 63, 0] == -2048).all()
    assert (padded[:, 32, 0] == 0).all() and (padded[:, 32, 32] == 0).all()
    assert np.mean(padded == 0) == pytest.approx(np.pi / 4, abs=0.01)
