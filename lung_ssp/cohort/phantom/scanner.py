"""What a CT scanner does to the truth: blur, slices of some thickness, correlated noise, a circular field."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lung_ssp.cohort.phantom.exact import decay
from lung_ssp.cohort.phantom.randomness import between
from lung_ssp.cohort.phantom.settings import ScannerSettings

FINE_SLICES = 2  # slices of the truth that one slice of the scan averages: its partial volume
HU_RANGE = (-1024, 3071)  # of a 12-bit scanner


@dataclass(frozen=True)
class Scanner:
    """How one scan is acquired.

    blur_mm: standard deviation of the point spread in the plane. noise_sd_hu, noise_lag1: of the noise, and its
    correlation between neighbouring pixels of a slice. padding_hu: what stands outside the circular field.
    """

    blur_mm: float
    noise_sd_hu: float
    noise_lag1: float
    padding_hu: int


def draw_scanner(settings: ScannerSettings, rng: np.random.Generator) -> Scanner:
    """Draw one scan's scanner."""
    return Scanner(
        blur_mm=between(settings.blur_mm, rng),
        noise_sd_hu=between(settings.noise_sd_hu, rng),
        noise_lag1=between(settings.noise_lag1, rng),
        padding_hu=int(rng.choice(settings.padding_hu)),
    )


def acquire(truth: np.ndarray, pixel_mm: float, scanner: Scanner, rng: np.random.Generator) -> np.ndarray:
    """Scan the truth.

    Args:
        truth: float32 (z, y, x) HU, FINE_SLICES slices for each slice of the scan.
        pixel_mm: its pixel in the plane.

    Returns:
        int16 (z, y, x) HU: every FINE_SLICES slices averaged, blurred in the plane, with noise.
    """
    scan = average_slices(truth)
    spread = point_spread(scanner.blur_mm / pixel_mm)
    for axis in (1, 2):
        scan = ndimage.correlate1d(scan, spread, axis=axis, mode="nearest")
    scan += correlated_noise(scan.shape, scanner.noise_sd_hu, scanner.noise_lag1, rng)
    return np.clip(np.rint(scan), *HU_RANGE).astype(np.int16)


def point_spread(sigma: float) -> np.ndarray:
    """A Gaussian with this standard deviation in pixels, cut off at three of them, float64 (odd,); its sum is 1."""
    reach = int(3 * sigma + 0.5)
    distance = np.arange(-reach, reach + 1) / max(sigma, 1e-6)
    weights = decay(distance * distance / 2)
    return weights / weights.sum()


def average_slices(fine: np.ndarray) -> np.ndarray:
    """The mean of every FINE_SLICES slices, float32 (z, y, x): the partial volume of slices of some thickness."""
    count = len(fine) // FINE_SLICES
    return fine[: count * FINE_SLICES].reshape(count, FINE_SLICES, *fine.shape[1:]).mean(axis=1, dtype=np.float32)


def correlated_noise(shape: tuple[int, ...], sd_hu: float, lag1: float, rng: np.random.Generator) -> np.ndarray:
    """Noise with a standard deviation of `sd_hu` and a correlation of `lag1` between neighbouring pixels of a slice.

    White noise filtered along y and x with [a, 1, a]: its correlation is 2a / (1 + 2a^2) at a distance of one pixel,
    a^2 / (1 + 2a^2) at two and nothing beyond.

    Returns:
        float32 (z, y, x).
    """
    noise = np.empty((shape[0], shape[1] + 2, shape[2] + 2), dtype=np.float32)
    for plane in noise:  # one by one: float64 of all of them would take much memory
        plane[:] = rng.standard_normal(plane.shape)
    beside = (1 - math.sqrt(1 - 2 * lag1 * lag1)) / (2 * lag1) if lag1 else 0.0
    side, centre = np.float32(beside), np.float32(1 / (1 + 2 * beside * beside) * sd_hu)
    noise = noise[:, 1:-1] + side * (noise[:, :-2] + noise[:, 2:])
    noise = noise[:, :, 1:-1] + side * (noise[:, :, :-2] + noise[:, :, 2:])
    return noise * centre


def mask_outside_field(hu: np.ndarray, padding_hu: int) -> np.ndarray:
    """Put padding outside the circle that touches the sides of each slice; int16 (z, y, x), a new array."""
    rows, columns = (2 * np.arange(n) - (n - 1) for n in hu.shape[1:])  # from the middle, in halves of a pixel
    diameter = min(hu.shape[1:])
    outside = (rows * rows)[:, None] + columns * columns > diameter * diameter
    return np.where(outside, np.int16(padding_hu), hu)
