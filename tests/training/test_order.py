"""The order of samples against the epochs of the paper's Table 2."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lung_ssp.errors import ConfigError
from lung_ssp.training.order import SampleOrder, steps_of_protocol


@pytest.mark.parametrize("size", [6180, 6200, 6271])
def test_the_epoch_counter_is_the_one_of_table_2(size: int) -> None:
    order = SampleOrder(size, 128, seed=0)
    epochs = []
    for step in range(1, 1401):
        order.next_batch()
        if step % 100 == 0:
            epochs.append(order.epoch)
    assert epochs == list(range(2, 29, 2))


def test_the_protocol_ends_at_step_1470_up_to_6271_samples() -> None:
    assert [steps_of_protocol(size, 128, 30) for size in (6180, 6200, 6271, 6272)] == [1470, 1470, 1470, 1500]


@given(size=st.integers(1, 60), batch=st.integers(1, 60), epochs=st.integers(1, 5))
@settings(deadline=None)
def test_the_number_of_steps_is_where_the_simulated_protocol_stops(size: int, batch: int, epochs: int) -> None:
    batch = min(batch, size)
    order, steps = SampleOrder(size, batch, seed=0), 0
    while order.epoch < epochs:
        for _ in range(size // batch + 1):
            order.next_batch()
            steps += 1
    assert steps == steps_of_protocol(size, batch, epochs)


@given(size=st.integers(1, 50), batch=st.integers(1, 50), steps=st.integers(0, 40), seed=st.integers(0, 5))
@settings(deadline=None)
def test_batches_are_whole_and_epochs_hold_every_sample_once(size: int, batch: int, steps: int, seed: int) -> None:
    batch = min(batch, size)
    order = SampleOrder(size, batch, seed)
    drawn = np.concatenate([order.next_batch() for _ in range(steps)]) if steps else np.zeros(0, int)
    assert len(drawn) == batch * steps
    for start in range(0, len(drawn) - size + 1, size):
        assert sorted(drawn[start : start + size]) == list(range(size))


@given(before=st.integers(0, 12), seed=st.integers(0, 5))
@settings(deadline=None)
def test_a_restored_order_goes_on_as_the_first_one(before: int, seed: int) -> None:
    order = SampleOrder(10, 4, seed)
    for _ in range(before):
        order.next_batch()
    copy = SampleOrder(10, 4, seed + 1)
    copy.restore(order.state().as_json())
    for _ in range(7):
        assert np.array_equal(order.next_batch(), copy.next_batch())
        assert order.epoch == copy.epoch


def test_a_batch_larger_than_the_training_set_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size is 11, but there are only 10"):
        SampleOrder(10, 11, seed=0)
