"""How well nodules are told from false candidates, source by source."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import mannwhitneyu

from lung_ssp.cohort.candidates.store import CandidateRow
from lung_ssp.training.evaluation import Metrics

SENSITIVITIES = (0.9, 0.95, 0.98)  # of the table of thresholds


@dataclass(frozen=True)
class SourceMetrics:
    """The candidates of one source.

    source: name of its cohort. nodules, found, random: how many of each there are; of scans without nodules those that
        were set into them.
    auc: of the test nodules of all sources against its false candidates; None where it has none.
    sensitivity: share of its nodules that reach the threshold; None where it has none.
    found_kept, random_kept: share of its false candidates that do; None likewise.
    """

    source: str
    nodules: int
    found: int
    random: int
    auc: float | None
    sensitivity: float | None
    found_kept: float | None
    random_kept: float | None


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold that keeps a share of the validation nodules, and what it keeps of the test candidates.

    false_kept: share of the false candidates of each source.
    """

    validation_sensitivity: float
    threshold: float
    sensitivity: float
    false_kept: dict[str, float]


@dataclass(frozen=True)
class FalsePositiveMetrics(Metrics):
    """The figures of a run of the false-positive reduction.

    threshold: of its settings.
    auc: mean over the sources of false candidates.
    """

    threshold: float
    auc: float
    sources: tuple[SourceMetrics, ...]
    operating_points: tuple[OperatingPoint, ...]


def auc(nodules: np.ndarray, false: np.ndarray) -> float:
    """The share of pairs in which the nodule has the higher probability, ties counted half; neither is empty."""
    return float(mannwhitneyu(nodules, false).statistic / (len(nodules) * len(false)))


def auc_of_sources(probability: np.ndarray, rows: Sequence[CandidateRow]) -> dict[str, float]:
    """The AUC of all nodules against the false candidates of each source that has any."""
    nodule = np.array([row.is_nodule for row in rows], bool)
    sources = np.array([row.source for row in rows], str)
    return {
        str(source): auc(probability[nodule], probability[(sources == source) & ~nodule])
        for source in np.unique(sources[~nodule])
    }


def threshold_at(nodules: np.ndarray, sensitivity: float) -> float:
    """The highest threshold that at least this share of the nodules' probabilities (n,) reaches, n > 0."""
    needed = max(1, int(np.ceil(sensitivity * len(nodules) - 1e-9)))
    return float(np.sort(nodules)[::-1][needed - 1])


def metrics_of_sources(
    probability: np.ndarray, rows: Sequence[CandidateRow], threshold: float
) -> tuple[SourceMetrics, ...]:
    """The figures of each source at a threshold."""
    aucs = auc_of_sources(probability, rows)
    kinds = np.array(["nodule" if row.is_nodule else row.kind for row in rows], str)
    sources = np.array([row.source for row in rows], str)
    kept = probability >= threshold
    found = []
    for source in sorted(set(sources.tolist())):
        own = {kind: kept[(sources == source) & (kinds == kind)] for kind in ("nodule", "found", "random")}
        counts = (len(own["nodule"]), len(own["found"]), len(own["random"]))
        shares = [float(np.mean(part)) if len(part) else None for part in own.values()]
        found.append(SourceMetrics(source, *counts, aucs.get(source), *shares))
    return tuple(found)


def operating_points(
    validation: np.ndarray, probability: np.ndarray, rows: Sequence[CandidateRow]
) -> tuple[OperatingPoint, ...]:
    """What thresholds that keep given shares of the validation nodules keep of the test candidates.

    Args:
        validation: probabilities of the validation's nodules.
        probability: of the test candidates, in the order of `rows`.
    """
    nodule = np.array([row.is_nodule for row in rows], bool)
    sources = np.array([row.source for row in rows], str)
    points = []
    for share in SENSITIVITIES:
        threshold = threshold_at(validation, share)
        kept = probability >= threshold
        false_kept = {str(s): float(kept[(sources == s) & ~nodule].mean()) for s in np.unique(sources[~nodule])}
        points.append(OperatingPoint(share, threshold, float(kept[nodule].mean()), false_kept))
    return tuple(points)
