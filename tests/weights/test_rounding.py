"""Weights with fewer digits, alike in a checkpoint and its export."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lung_ssp.weights.rounding import round_weights, rounded

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def test_ten_significant_bits_are_left():
    one, bit = np.float32(1), np.float32(2**-9)
    numbers = np.array(
        [one, one + bit, one + bit / 4, one + bit / 2, one + 3 * bit / 2, -one - 3 * bit / 4], np.float32
    )
    expected = [one, one + bit, one, one, one + 2 * bit, -one - bit]  # ties to even
    assert rounded(numbers).tolist() == expected


@given(st.lists(finite, min_size=1, max_size=20))
def test_the_error_is_small_and_rounding_again_changes_nothing(values):
    numbers = np.array(values, np.float32)
    once = rounded(numbers)
    assert np.isfinite(once).all() and np.array_equal(rounded(once), once)
    normal = np.abs(numbers) >= np.finfo(np.float32).tiny
    error = np.abs(once.astype(float) - numbers)[normal]
    assert (error <= np.abs(numbers[normal].astype(float)) / 2**10).all()


def test_both_files_get_the_same_weights_and_all_else_stays():
    rng = np.random.default_rng(0)
    weights, turned, few = (rng.normal(size=n).astype(np.float32) for n in (100, 100, 3))
    steps = np.arange(100)
    arrays = {"weights": weights, "turned": turned, "few": few, "steps": steps}
    model = b"head" + weights.tobytes() + turned[::-1].tobytes() + few.tobytes() + steps.tobytes() + b"tail"
    new, rounded_model = round_weights(arrays, model)
    assert np.array_equal(new["weights"], rounded(weights)) and not np.array_equal(new["weights"], weights)
    for name in ("turned", "few", "steps"):
        assert new[name] is arrays[name]
    assert rounded_model == model.replace(weights.tobytes(), rounded(weights).tobytes())
