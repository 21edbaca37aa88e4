"""Random generators that depend on the seed and on what they are for, not on the order in which things are made."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from lung_ssp.cohort.phantom.exact import settle, settled

# What random numbers are for: the first part of their key.
SECTION_PLAN, LESION, READER, POPULATION, SCAN_PLAN, SCAN, FILE_NAMES, SLIDE_PLAN, SLIDE, TABLES = range(10)

INTERPOLATION_GAIN = 1.55  # interpolating white noise lowers its deviation, in three dimensions by about this much


class SettledGenerator(np.random.Generator):
    """A generator whose numbers are the same on every processor: those that are not whole are rounded (`settle`)."""

    def uniform(self, *args: Any, **kwargs: Any) -> Any:
        """As in NumPy."""
        return _settle(super().uniform(*args, **kwargs))

    def normal(self, *args: Any, **kwargs: Any) -> Any:
        """As in NumPy."""
        return _settle(super().normal(*args, **kwargs))

    def standard_normal(self, *args: Any, **kwargs: Any) -> Any:
        """As in NumPy."""
        return _settle(super().standard_normal(*args, **kwargs))

    def beta(self, *args: Any, **kwargs: Any) -> Any:
        """As in NumPy."""
        return _settle(super().beta(*args, **kwargs))

    def gamma(self, *args: Any, **kwargs: Any) -> Any:
        """As in NumPy."""
        return _settle(super().gamma(*args, **kwargs))

    def gumbel(self, *args: Any, **kwargs: Any) -> Any:
        """As in NumPy."""
        return _settle(super().gumbel(*args, **kwargs))


def _settle(drawn: Any) -> Any:
    return settle(drawn) if isinstance(drawn, np.ndarray) else settled(drawn)


def generator(seed: int, *key: int) -> SettledGenerator:
    """The random numbers of one purpose: the same for the same seed and key, in whichever process."""
    return SettledGenerator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def between(limits: Sequence[float], rng: np.random.Generator) -> float:
    """A number drawn evenly between two limits."""
    low, high = limits
    return float(rng.uniform(low, high))


def draw_beta(parameters: Sequence[float], rng: np.random.Generator) -> float:
    """A number drawn from the Beta distribution with these two parameters."""
    a, b = parameters
    return float(rng.beta(a, b))


def draw_index(probabilities: Sequence[float], rng: np.random.Generator) -> int:
    """An index drawn with these probabilities, which sum to 1; ten times as fast as Generator.choice for a few."""
    return min(bisect_right(list(accumulate(probabilities)), float(rng.random())), len(probabilities) - 1)


class SmoothField:
    """Noise of mean 0 and standard deviation about 1, smooth over `grain_mm`, given at any place of a box.

    Args:
        low, high: corners of the box in mm, (z, y, x).
    """

    def __init__(
        self, low: tuple[float, ...], high: tuple[float, ...], grain_mm: float, rng: np.random.Generator
    ) -> None:
        self._low = low
        self._grain = grain_mm
        knots = tuple(int(np.ceil((b - a) / grain_mm)) + 2 for a, b in zip(low, high, strict=True))
        self._knots = rng.standard_normal(knots).astype(np.float32) * np.float32(INTERPOLATION_GAIN)

    def on(self, *axes: np.ndarray) -> np.ndarray:
        """The field on a grid, float32 (z, y, x); `axes` hold the positions in mm along z, y and x, inside the box."""
        field = self._knots
        for axis, positions in enumerate(axes):
            place = (positions.astype(np.float32) - np.float32(self._low[axis])) / np.float32(self._grain)
            place = np.clip(place, 0, field.shape[axis] - 1.001)
            index = place.astype(int)
            share = place - index.astype(np.float32)
            share = (share * share * (3 - 2 * share)).reshape([-1 if a == axis else 1 for a in range(3)])
            field = np.take(field, index, axis=axis) * (1 - share) + np.take(field, index + 1, axis=axis) * share
        return field
