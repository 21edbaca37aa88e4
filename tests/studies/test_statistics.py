"""Means, intervals and tests on numbers that can be followed by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lung_ssp.studies.statistics import (
    PatientCounts,
    bootstrap_by_patient,
    holm,
    mean_over_seeds,
    paired_test,
)

some = st.lists(st.floats(-100, 100), min_size=2, max_size=8)


def test_the_interval_is_students() -> None:
    mean = mean_over_seeds([1.0, 2.0, 3.0])
    # t(0.975, 2) = 4.3027, deviation 1, so 4.3027 / sqrt(3) to either side of 2
    assert (mean.n, mean.mean, mean.deviation) == (3, 2.0, 1.0)
    assert mean.low == pytest.approx(2 - 2.4841, abs=1e-4)
    assert mean.high == pytest.approx(2 + 2.4841, abs=1e-4)


def test_one_seed_has_no_interval() -> None:
    mean = mean_over_seeds([0.5])
    assert (mean.n, mean.mean, mean.deviation, mean.low, mean.high) == (1, 0.5, None, None, None)
    test = paired_test([0.5], [0.25])
    assert (test.difference.mean, test.p, test.effect, test.least_p) == (0.25, None, None, 1.0)


def test_the_permutation_test_counts_signs_by_hand() -> None:
    # differences 1, 2, 3: of the 8 sign changes only +++ and --- are as far from 0
    test = paired_test([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert test.p == pytest.approx(2 / 8)
    assert test.least_p == 2 / 8
    assert test.exact
    # deviation of 1, 2, 3 is 1
    assert test.effect == pytest.approx(2.0)
    # 1, -2, 3: the sum 2 or more have +++ (6), -++ (4), +-+ (2), and as many at the other end
    assert paired_test([1.0, -2.0, 3.0], [0.0, 0.0, 0.0]).p == pytest.approx(6 / 8)


def test_ten_pairs_on_one_side_reach_the_least_p() -> None:
    test = paired_test(np.arange(1.0, 11.0), np.zeros(10))
    assert test.p == pytest.approx(2 / 1024)
    assert test.least_p == 2 / 1024


def test_no_difference_at_all_is_no_evidence_and_has_no_effect_size() -> None:
    test = paired_test([0.5, 0.6, 0.7], [0.5, 0.6, 0.7])
    assert test.p == 1.0
    assert test.effect is None
    assert (test.difference.low, test.difference.high) == (0.0, 0.0)


def test_more_pairs_than_can_all_be_tried_are_drawn_with_a_fixed_seed() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.3, 1, 20), rng.normal(0, 1, 20)
    first, second = paired_test(a, b), paired_test(a, b)
    assert first == second
    assert not first.exact
    assert first.p is not None and first.p == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.03)


@given(some)
def test_turning_a_comparison_round_changes_the_sign_alone(values: list[float]) -> None:
    zeros = [0.0] * len(values)
    one, other = paired_test(values, zeros), paired_test(zeros, values)
    assert one.difference.mean == -other.difference.mean
    assert one.p == other.p
    assert one.p is not None and one.least_p <= one.p + 1e-12 <= 1 + 1e-12


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.02, 0.04 times 3, 2, 1, never falling
    assert holm([0.04, 0.01, None, 0.02]) == pytest.approx([0.04, 0.03, None, 0.04])
    assert holm([None]) == [None]


def test_patients_are_drawn_with_all_their_sections() -> None:
    # one patient all right, one all wrong: half of the drawings have both, a quarter each one of them twice
    counts = PatientCounts({"a": 10, "b": 10}, {"a": 10, "b": 0})
    assert bootstrap_by_patient(counts) == (0.0, 1.0)
    # the other variant has the very same patients right: the difference is 0 in every drawing
    assert bootstrap_by_patient(counts, counts) == (0.0, 0.0)


def test_the_interval_by_patient_is_about_that_of_the_binomial_where_each_has_one_section() -> None:
    names = [str(number) for number in range(400)]
    counts = PatientCounts(dict.fromkeys(names, 1), {name: int(int(name) < 300) for name in names})
    found = bootstrap_by_patient(counts)
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert found == pytest.approx((0.75 - half, 0.75 + half), abs=0.006)


def test_other_patients_or_too_few_have_no_interval() -> None:
    one, two = PatientCounts({"a": 1}, {"a": 1}), PatientCounts({"a": 1, "b": 1}, {"a": 1, "b": 0})
    assert bootstrap_by_patient(one) is None
    assert bootstrap_by_patient(two, PatientCounts({"a": 1, "c": 1}, {"a": 1, "c": 0})) is None
