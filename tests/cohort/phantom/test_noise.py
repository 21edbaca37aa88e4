"""Smooth random fields."""

import numpy as np
import pytest

from lung_ssp.cohort.phantom.randomness import SmoothField


@pytest.fixture(scope="module")
def field():
    return SmoothField((0.0, 0.0, 0.0), (100.0, 100.0, 100.0), 5.0, np.random.default_rng(0))


def test_mean_deviation_and_grain(field):
    axis = np.arange(0, 100, 1.0)
    values = field.on(axis, axis, axis)
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.05
    assert values.std() == pytest.approx(1, abs=0.1)
    assert np.corrcoef(values[:-1].ravel(), values[1:].ravel())[0, 1] > 0.9  # 1 mm apart
    assert abs(np.corrcoef(values[:-10].ravel(), values[10:].ravel())[0, 1]) < 0.1  # two grains apart


def test_the_field_is_the_same_wherever_it_is_looked_at(field):
    y, x = np.arange(0, 100, 2.0), np.arange(0, 100, 3.0)
    volume = field.on(np.arange(0, 100, 1.0), y, x)
    np.testing.assert_allclose(field.on(np.array([37.0]), y, x)[0], volume[37], atol=1e-5)
