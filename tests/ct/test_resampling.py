import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lung_ssp.ct.resampling import mean_weights, resample_axis


def test_weights_by_hand():
    # between samples; at a sample; one voxel wide around a sample: 1/8, 3/4, 1/8; half of it beyond the end
    np.testing.assert_allclose(mean_weights(3, np.array([0.25]), 0), [[0.75, 0.25, 0]])
    np.testing.assert_allclose(mean_weights(3, np.array([1.0]), 0), [[0, 1, 0]])
    np.testing.assert_allclose(mean_weights(3, np.array([1.0]), 1), [[1 / 8, 3 / 4, 1 / 8]])
    np.testing.assert_allclose(mean_weights(3, np.array([-0.5]), 1), [[0.5, 0, 0]])
    np.testing.assert_allclose(mean_weights(2, np.array([0.5]), 3), [[1 / 3, 1 / 3]])


@given(st.floats(2, 7), st.floats(0.01, 4))
def test_inside_they_sum_to_one(centre, width):
    weights = mean_weights(10, np.array([centre]), width)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-5)


@given(st.floats(3, 6), st.floats(0.1, 4))
def test_they_are_the_integral_of_the_interpolated_signal(centre, width):
    signal = np.random.default_rng(0).normal(size=10)
    fine = np.linspace(centre - width / 2, centre + width / 2, 4001)
    expected = np.interp(fine, np.arange(10), signal).mean()
    assert mean_weights(10, np.array([centre]), width)[0] @ signal == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_resample_axis(axis):
    rng = np.random.default_rng(0)
    volume, weights = rng.normal(size=(3, 4, 5)), rng.normal(size=(7, 3 + axis))
    expected = np.moveaxis(np.tensordot(weights, volume, (1, axis)), 0, axis)
    np.testing.assert_allclose(resample_axis(volume, weights, axis), expected)
