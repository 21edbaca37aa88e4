"""The figures of the false-positive reduction, by hand."""

import numpy as np
import pytest

from lung_ssp.candidates.metrics import auc, auc_of_sources, metrics_of_sources, operating_points, threshold_at
from lung_ssp.cohort.candidates.store import CandidateRow


def row(source: str, kind: str) -> CandidateRow:
    measures = {"z": 0.0, "y": 0.0, "x": 0.0, "diameter_mm": None, "score": None}
    return CandidateRow(patient="p", split="test", source=source, scan="s", kind=kind, **measures)


ROWS = [
    *(row("archive", "nodule") for _ in range(4)),
    *(row("archive", "random") for _ in range(2)),
    *(row("scans", "found") for _ in range(2)),
]
PROBABILITY = np.array([0.9, 0.8, 0.7, 0.2, 0.75, 0.1, 0.3, 0.0])


def test_the_auc_counts_pairs_and_half_of_the_ties():
    assert auc(np.array([0.9, 0.5]), np.array([0.5, 0.1])) == (1 + 1 + 0.5 + 1) / 4
    assert auc_of_sources(PROBABILITY, ROWS) == {"archive": 6 / 8, "scans": 7 / 8}


def test_a_threshold_keeps_at_least_the_share_that_is_asked_for():
    nodules = np.array([0.1, 0.4, 0.3, 0.2])
    assert [threshold_at(nodules, share) for share in (0.25, 0.5, 0.51, 1.0, 0.0)] == [0.4, 0.3, 0.2, 0.1, 0.4]


def test_sources_are_told_apart():
    archive, scans = metrics_of_sources(PROBABILITY, ROWS, threshold=0.3)
    assert (archive.source, archive.nodules, archive.found, archive.random) == ("archive", 4, 0, 2)
    assert (archive.sensitivity, archive.found_kept, archive.random_kept) == (0.75, None, 0.5)
    assert (scans.nodules, scans.sensitivity, scans.found_kept, scans.auc) == (0, None, 0.5, 7 / 8)


def test_thresholds_come_from_the_validation_and_are_applied_to_the_test():
    points = operating_points(np.linspace(0.0, 1.0, 101), PROBABILITY, ROWS)
    assert [point.validation_sensitivity for point in points] == [0.9, 0.95, 0.98]
    assert points[0].threshold == pytest.approx(0.1)  # 91 of 101 are at least 0.1
    assert points[0].sensitivity == 1.0 and points[0].false_kept == {"archive": 1.0, "scans": 0.5}
