"""The image diagnosis: a reader who knows the classes' looks but perceives them through noise."""

import numpy as np

from lung_ssp.cohort.classes import NORMAL
from lung_ssp.cohort.phantom.settings import ReaderSettings

CALIBRATION_ROUNDS = 200  # the shares of the calls then differ from the wanted ones by less than one call


def read_lesions(
    log_posterior: np.ndarray,
    diameter_mm: np.ndarray,
    shares: np.ndarray,
    normal_calls: int,
    settings: ReaderSettings,
    rng: np.random.Generator,
) -> np.ndarray:
    """The reader's opinion of each lesion.

    He weighs the classes as the generator's posterior does, but now and then he sees next to nothing (`lapse`), and his
    judgement is noisy (`noise`); both grow towards small lesions. The noise is Gumbel's: with a scale of 1 he would
    name each class as often as it is right to, with 0 always the likeliest. So he errs where the look is ambiguous.
    He calls `normal_calls` lesions normal, the least suspicious ones, and expects the other classes in their shares.

    Args:
        log_posterior: (n, classes) log p(class | attributes).
        diameter_mm: (n,) diameters.
        shares: (classes,) the frequency of each class that he expects.
        normal_calls: how many of the n lesions he calls normal.

    Returns:
        int64 (n,), the image diagnosis.
    """
    smallness = np.exp(-diameter_mm / settings.size_mm)
    lapse = np.minimum(settings.lapse + settings.lapse_when_small * smallness, 1.0)[:, None]
    noise = (settings.noise + settings.noise_when_small * smallness)[:, None]
    with np.errstate(divide="ignore"):  # a class that does not occur has the logarithm -inf, and is never named
        perceived = np.log((1 - lapse) * np.exp(log_posterior) + lapse * shares)
    perceived = (perceived + _calibration(perceived, noise, shares)) / noise + rng.gumbel(size=perceived.shape)

    calls = perceived[:, NORMAL + 1 :].argmax(axis=1) + NORMAL + 1
    suspicion = perceived[:, NORMAL + 1 :].max(axis=1) - perceived[:, NORMAL]
    calls[np.argsort(suspicion, kind="stable")[:normal_calls]] = NORMAL
    return calls.astype(np.int64)


def _calibration(perceived: np.ndarray, noise: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Offsets (classes,) with which the expected calls come in the wanted shares."""
    offsets = np.zeros(len(shares))
    occurs = shares > 0
    for _ in range(CALIBRATION_ROUNDS):
        weights = (perceived + offsets) / noise
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        expected = (weights / weights.sum(axis=1, keepdims=True)).mean(axis=0)
        offsets[occurs] += noise.mean() * np.log(shares[occurs] / expected[occurs])
    return offsets
