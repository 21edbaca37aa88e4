"""The FROC curve of a detection: how many lesions are found for how many false candidates a scan (LUNA16)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)  # false candidates a scan
FALSE, NOT_COUNTED = -1, -2
BOOTSTRAP_SAMPLES, BOOTSTRAP_SEED = 1000, 0
INTERVAL = (2.5, 97.5)  # percentiles


@dataclass(frozen=True)
class Sphere:
    """A lesion as LUNA16 sees it: its centre, LPS in mm, and its radius in mm."""

    centre_mm: tuple[float, float, float]
    radius_mm: float


@dataclass(frozen=True, eq=False)
class ScoredScan:
    """The candidates of one scan.

    scores: float (n,). hits: int (n,), the lesion that each hits, counted from 0, FALSE, or NOT_COUNTED.
    lesions: how many the scan has.
    """

    scores: np.ndarray
    hits: np.ndarray
    lesions: int


@dataclass(frozen=True)
class Froc:
    """A FROC curve at LUNA16's seven rates.

    scans, lesions: how many there are.
    sensitivities: share of the lesions that are found, at each of RATES; interpolated linearly along the curve, and
        beyond its last point as there. mean: of the seven, LUNA16's score.
    intervals, mean_interval: 95 %, percentiles over BOOTSTRAP_SAMPLES drawings of as many scans with replacement.
    """

    scans: int
    lesions: int
    sensitivities: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    mean: float
    mean_interval: tuple[float, float]


def hits_of(centres_mm: np.ndarray, lesions: Sequence[Sphere], excluded: np.ndarray) -> np.ndarray:
    """What each candidate hits: the nearest lesion within whose radius its centre lies, else FALSE, int (n,).

    Args:
        centres_mm: (n, 3), LPS.
        excluded: bool (n,), candidates on regions that count neither way, unless they hit a lesion.
    """
    hits = np.where(excluded, NOT_COUNTED, FALSE)
    if not lesions or not len(centres_mm):
        return hits
    distances = np.linalg.norm(centres_mm[:, None] - np.array([one.centre_mm for one in lesions]), axis=2)
    distances[distances > np.array([one.radius_mm for one in lesions])] = np.inf
    inside = np.isfinite(distances).any(axis=1)
    return np.where(inside, distances.argmin(axis=1), hits)


def froc(scans: Sequence[ScoredScan]) -> Froc:
    """The FROC curve of scans that hold at least one lesion together.

    Of several candidates that hit one lesion the best counts, and the others count neither way.
    """
    lesions = np.array([scan.lesions for scan in scans])
    found, false = _events(scans)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    drawn = rng.multinomial(len(scans), np.full(len(scans), 1 / len(scans)), size=BOOTSTRAP_SAMPLES)
    drawn = drawn[drawn @ lesions > 0]
    (measured,) = _curves(np.ones((1, len(scans)), int), lesions, found, false)
    samples = _curves(drawn, lesions, found, false)
    lows, highs = np.percentile(samples, INTERVAL, axis=0)
    low, high = np.percentile(samples.mean(axis=1), INTERVAL).tolist()
    return Froc(
        scans=len(scans),
        lesions=int(lesions.sum()),
        sensitivities=tuple(measured.tolist()),
        intervals=tuple(zip(lows.tolist(), highs.tolist(), strict=True)),
        mean=float(measured.mean()),
        mean_interval=(low, high),
    )


def _events(scans: Sequence[ScoredScan]) -> tuple[np.ndarray, np.ndarray]:
    """(score, scan) of each lesion that is found, by its best candidate, and of each false candidate."""
    found, false = [], []
    for number, scan in enumerate(scans):
        for lesion in np.unique(scan.hits[scan.hits >= 0]):
            found.append((scan.scores[scan.hits == lesion].max(), number))
        false += [(score, number) for score in scan.scores[scan.hits == FALSE]]
    return np.array(found, float).reshape(-1, 2), np.array(false, float).reshape(-1, 2)


def _curves(times: np.ndarray, lesions: np.ndarray, found: np.ndarray, false: np.ndarray) -> np.ndarray:
    """The sensitivities at RATES, (m, 7), where scan k counts times[:, k] times, (m, scans)."""
    thresholds = np.unique(np.concatenate([found[:, 0], false[:, 0]]))[::-1]
    if not len(thresholds):
        return np.zeros((len(times), len(RATES)))
    hit, wrong = (
        times[:, events[:, 1].astype(int)] @ (events[:, :1] >= thresholds).astype(float) for events in (found, false)
    )
    sensitivity = hit / (times @ lesions)[:, None]
    rate = wrong / times.sum(axis=1, keepdims=True)
    return np.array([_interpolated(x, y) for x, y in zip(rate, sensitivity, strict=True)])


def _interpolated(rate: np.ndarray, sensitivity: np.ndarray) -> np.ndarray:
    """A curve at RATES; of several points of one rate the highest, the last, holds. It begins at (0, 0)."""
    last = np.append(np.diff(rate) > 0, True)
    x, y = rate[last], sensitivity[last]
    if x[0] > 0:
        x, y = np.append(0.0, x), np.append(0.0, y)
    return np.interp(RATES, x, y)


def froc_line(curve: Froc) -> str:
    """The seven sensitivities and their mean in one line."""
    shares = " ".join(f"{share:.3f}" for share in curve.sensitivities)
    low, high = curve.mean_interval
    return f"{shares}, mean {curve.mean:.3f} (95 % by scan {low:.3f} to {high:.3f})"
