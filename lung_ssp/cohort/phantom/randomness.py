"""Random numbers by purpose: each purpose has its own key, so that the order of the draws does not matter."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

# What random numbers are for: the first part of their key.
SECTION_PLAN, LESION, READER, POPULATION, SCAN_PLAN, SCAN, FILE_NAMES, SLIDE_PLAN, SLIDE, TABLES = range(10)


def generator(seed: int, *key: int) -> np.random.Generator:
    """The random numbers of one purpose: the same for the same seed and key, in whichever process."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


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
