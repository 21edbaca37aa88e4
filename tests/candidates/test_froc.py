"""LUNA16's FROC, by hand."""

import numpy as np
import pytest

from lung_ssp.candidates.froc import FALSE, NOT_COUNTED, ScoredScan, Sphere, froc, froc_line, hits_of


def scan(lesions: int, *candidates: tuple[float, int]) -> ScoredScan:
    scores, hits = zip(*candidates, strict=True) if candidates else ((), ())
    return ScoredScan(np.array(scores, float), np.array(hits, int), lesions)


def test_a_candidate_hits_the_nearest_lesion_within_its_radius():
    lesions = [Sphere((0, 0, 0), 5), Sphere((8, 0, 0), 4)]
    centres = np.array([[3, 4, 0], [3, 4.1, 0], [4.5, 0, 0], [8, 4, 0], [50, 0, 0], [0, 0, 1]], float)
    excluded = np.array([False, False, False, False, True, True])
    assert hits_of(centres, lesions, excluded).tolist() == [0, FALSE, 1, 1, NOT_COUNTED, 0]
    assert hits_of(centres, [], excluded).tolist() == [FALSE] * 4 + [NOT_COUNTED] * 2
    assert hits_of(np.zeros((0, 3)), lesions, np.zeros(0, bool)).tolist() == []


def test_the_curve_of_two_scans_by_hand():
    """By falling scores: lesion, false, lesion (again), false, false, lesion; of four lesions one is never found."""
    curve = froc(
        [scan(2, (0.9, 0), (0.8, FALSE), (0.7, 0), (0.6, FALSE)), scan(2, (0.5, FALSE), (0.4, 1), (0.95, NOT_COUNTED))]
    )
    assert (curve.scans, curve.lesions) == (2, 4)
    # the points (false a scan, sensitivity): (0, 1/4), (1/2, 1/4), (1, 1/4), (3/2, 1/2)
    assert curve.sensitivities == pytest.approx((0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5))
    assert curve.mean == pytest.approx(2.5 / 7)


def test_between_two_points_the_curve_is_a_line():
    curve = froc([scan(1, (0.9, FALSE), (0.9, 0))])  # equal scores: from (0, 0) to (1, 1) at once
    assert curve.sensitivities == pytest.approx((1 / 8, 1 / 4, 1 / 2, 1, 1, 1, 1))


def test_a_perfect_and_an_empty_detection():
    perfect = froc([scan(1, (0.9, 0)), scan(2, (0.8, 1), (0.7, 0)), scan(0)])
    assert perfect.sensitivities == (1.0,) * 7 and perfect.mean_interval == (1.0, 1.0)
    assert froc([scan(1), scan(0)]).sensitivities == (0.0,) * 7


def test_the_interval_comes_from_the_scans():
    curve = froc([scan(1, (0.9, 0)), scan(1)] * 10)
    low, high = curve.mean_interval
    assert low < curve.mean == 0.5 < high and 0.1 < high - low < 0.6
    assert curve.intervals[0] == pytest.approx(curve.mean_interval)  # all seven rates are alike here
    assert froc_line(curve).startswith("0.500 0.500 0.500 0.500 0.500 0.500 0.500, mean 0.500 (95 % by scan 0.")
