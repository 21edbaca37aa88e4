"""The same batches whether threads prepare them or not."""

import threading

import numpy as np
import pytest

from lung_ssp.training.batches import StepBatch, batches
from lung_ssp.training.order import SampleOrder


def load(indices: np.ndarray, rng: np.random.Generator) -> list[float]:
    return [*indices.tolist(), float(rng.random())]


def drawn_batches(prefetch: int, steps: range, order: SampleOrder) -> list[StepBatch]:
    with batches(load, order, 7, steps, prefetch) as found:
        return list(found)


@pytest.mark.parametrize("prefetch", [1, 3, 64])
def test_batches_prefetched_are_the_same(prefetch: int) -> None:
    plain, early = (drawn_batches(count, range(1, 21), SampleOrder(10, 4, seed=3)) for count in (0, prefetch))
    assert [one.step for one in early] == list(range(1, 21))
    assert [one.batch for one in early] == [one.batch for one in plain]
    assert [one.order.as_json() for one in early] == [one.order.as_json() for one in plain]


@pytest.mark.parametrize("prefetch", [0, 5])
def test_the_order_after_a_batch_leads_to_the_rest(prefetch: int) -> None:
    whole = drawn_batches(prefetch, range(1, 13), SampleOrder(10, 4, seed=3))
    order = SampleOrder(10, 4, seed=99)
    order.restore(whole[4].order.as_json())
    assert [one.batch for one in drawn_batches(prefetch, range(6, 13), order)] == [one.batch for one in whole[5:]]


def test_threads_end_when_a_training_breaks_off() -> None:
    with (
        pytest.raises(RuntimeError),
        batches(load, SampleOrder(10, 4, seed=0), 0, range(1, 1000), prefetch=8) as found,
    ):
        next(found)
        raise RuntimeError
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_a_fault_of_loading_is_told_at_its_step() -> None:
    def failing(indices: np.ndarray, rng: np.random.Generator) -> int:
        raise ValueError("no such slice")

    with (
        batches(failing, SampleOrder(10, 4, seed=0), 0, range(1, 5), prefetch=2) as found,
        pytest.raises(ValueError),
    ):
        next(found)
