"""Means, intervals and tests over seeds, and over patients; docs/studies.md says what they can and cannot tell.

The unit is the seed. Where a study has folds, the value of a seed is the mean over its folds, since folds share their
training patients and are no independent draws (Bengio and Grandvalet, JMLR 5, 2004).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
DRAWINGS = 9_999  # sign changes of the permutation test, where there are more than can all be tried
BOOTSTRAP_SAMPLES = 2_000
SEED = 0  # of both


@dataclass(frozen=True)
class Mean:
    """A mean over seeds. n: of them. deviation: None of one. low, high: the t interval; None of one."""

    n: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PairedTest:
    """How a variant differs from the reference over the seeds that both have.

    difference: of the means, variant less reference, with its t interval.
    effect: Cohen's d of paired samples, the mean difference in its own deviations; None where that is 0.
    p: of the two-sided permutation test, which changes signs; None of one pair. exact: whether it tried all of them.
    least_p: the smallest p that so many pairs can give.
    """

    difference: Mean
    effect: float | None
    p: float | None
    exact: bool
    least_p: float


def mean_over_seeds(values: Sequence[float]) -> Mean:
    """The mean of one value a seed, with its t interval."""
    array = np.asarray(values, float)
    mean = float(array.mean())
    if len(array) < 2:
        return Mean(len(array), mean, None, None, None)
    deviation = float(array.std(ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(array) - 1)) * deviation / math.sqrt(len(array))
    return Mean(len(array), mean, deviation, mean - half, mean + half)


def paired_test(variant: Sequence[float], reference: Sequence[float]) -> PairedTest:
    """A variant against the reference, seed by seed.

    Args:
        variant, reference: one value a seed, the same seeds in the same order.
    """
    differences = np.asarray(variant, float) - np.asarray(reference, float)
    mean = mean_over_seeds(differences.tolist())
    n = len(differences)
    deviation = mean.deviation
    effect = None if not deviation else mean.mean / deviation
    exact = 2**n <= DRAWINGS
    if n < 2:
        return PairedTest(mean, effect, None, exact, 1.0)
    result = stats.permutation_test(
        (differences,),
        lambda sample, axis: np.mean(sample, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=DRAWINGS,
        random_state=np.random.default_rng(SEED),
    )
    return PairedTest(mean, effect, float(result.pvalue), exact, 2 / 2**n if exact else 2 / (DRAWINGS + 1))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected for their number by Holm's method; None, of a pair too few, stays None and is not counted."""
    from statsmodels.stats.multitest import multipletests

    known = [p for p in p_values if p is not None]
    corrected = iter(multipletests(known, method="holm")[1].tolist() if known else [])
    return [None if p is None else next(corrected) for p in p_values]


@dataclass(frozen=True)
class PatientCounts:
    """How many of each patient's sections are labelled, and how many of those a variant has right, summed over seeds.

    sections, right: by patient.
    """

    sections: Mapping[str, int]
    right: Mapping[str, int]


def bootstrap_by_patient(variant: PatientCounts, reference: PatientCounts | None = None) -> tuple[float, float] | None:
    """The 95 % interval of an accuracy, or of its difference to the reference's, if other patients had been tested.

    Patients are drawn with replacement, each with all of its sections; the trained networks stay as they are. Both
    variants see the same drawings.

    Returns:
        percentiles over BOOTSTRAP_SAMPLES drawings; None with fewer than two patients, or where both variants were
        not tested on the same patients.
    """
    patients = sorted(variant.sections)
    if len(patients) < 2 or (reference is not None and sorted(reference.sections) != patients):
        return None
    rng = np.random.default_rng(SEED)
    times = rng.multinomial(len(patients), np.full(len(patients), 1 / len(patients)), size=BOOTSTRAP_SAMPLES)

    def accuracies(counts: PatientCounts) -> np.ndarray:
        sections, right = (np.array([own[name] for name in patients], float) for own in (counts.sections, counts.right))
        return (times @ right) / (times @ sections)

    drawn = accuracies(variant) - (0 if reference is None else accuracies(reference))
    low, high = np.percentile(drawn, [100 * (1 - CONFIDENCE) / 2, 100 * (1 + CONFIDENCE) / 2]).tolist()
    return low, high
