"""Arithmetic that gives the same bits on every processor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lung_ssp.cohort.phantom.exact import GRID, cosines, decay, length, settle, settled, to_unit
from lung_ssp.cohort.phantom.randomness import generator


@given(st.floats(0, 25))
def test_decay_is_the_exponential_to_seven_decimals(value):
    assert decay(np.array(value)) == pytest.approx(np.exp(-value), abs=5e-8, rel=0)


def test_decay_ends_in_nothing():
    assert (decay(np.array([60.0, 1e3, 1e9, np.inf])) < 1e-25).all()
    assert decay(np.zeros(2, np.float32)).tolist() == [1, 1]


@given(st.floats(-3000, 3000))
def test_settled_numbers_are_whole_multiples(value):
    assert settled(value) == settle(np.array([value]))[0]
    assert (settled(value) / GRID).is_integer()
    assert abs(settled(value) - value) <= GRID / 2
    assert settled(settled(value)) == settled(value)


def test_lengths_and_cosines():
    assert length(np.array([[2.0, 3.0, 6.0], [0.0, 0.0, 0.0]])).tolist() == [7, 0]
    np.testing.assert_allclose(to_unit(np.array([2.0, 3.0, 6.0])), np.array([2, 3, 6]) / 7)
    assert cosines(np.eye(3), np.eye(3)[:2]).tolist() == [[1, 0], [0, 1], [0, 0]]


DRAWS = {
    "uniform": (-12, 12, 1000),
    "normal": (38, 8, 1000),
    "standard_normal": (1000,),
    "beta": (2, 3, 1000),
    "gamma": (1.3, 0.4, 1000),
    "gumbel": (0, 1, 1000),
}


@pytest.mark.parametrize("name", DRAWS)
def test_what_is_drawn_is_numpys_rounded(name):
    drawn = getattr(generator(3, 1), name)(*DRAWS[name])
    exact = getattr(np.random.default_rng(np.random.SeedSequence(3, spawn_key=(1,))), name)(*DRAWS[name])
    assert (drawn / GRID == np.rint(drawn / GRID)).all()
    assert 0 < np.abs(drawn - exact).max() <= GRID / 2
    one = getattr(generator(3, 1), name)(*DRAWS[name][:-1])
    assert isinstance(one, float) and one == drawn[0]


def test_what_a_generator_spawns_rounds_too():
    (child,) = generator(3, 1).spawn(1)
    value = child.normal()
    assert (value / GRID).is_integer()
