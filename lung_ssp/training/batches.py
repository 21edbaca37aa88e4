"""The batches of a training in their order, each with the randomness of its step; threads may prefetch them."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lung_ssp.training.order import OrderState, SampleOrder

Load = Callable[[np.ndarray, np.random.Generator], Any]
THREADS = 4  # at most: reading a batch is NumPy and OpenCV, which leave Python's lock


@dataclass(frozen=True)
class StepBatch:
    """What one step learns from.

    step: counted from 1.
    batch: what the task's `load` gave.
    order: where the order of the samples stands after this batch.
    """

    step: int
    batch: Any
    order: OrderState


def seeds_of_step(seed: int, step: int) -> np.random.SeedSequence:
    """All randomness of a step: drawn from the run's seed and the step, so that no generator's state needs saving."""
    return np.random.SeedSequence([seed, step])


def dropout_seed(seed: int, step: int, process: int = 0) -> int:
    """What the engine's own generator is seeded with at a step: the dropout's, another in each process."""
    return int(seeds_of_step(seed, step).generate_state(process + 1)[-1])


@contextmanager
def batches(load: Load, order: SampleOrder, seed: int, steps: range, prefetch: int) -> Iterator[Iterator[StepBatch]]:
    """The batches of `steps`, in turn, the same whatever `prefetch` is.

    Args:
        load: called with the indices and the generator of a step, from several threads if `prefetch` is not 0.
        order: of the samples; with prefetching it is ahead of the steps by as many batches.
        seed: of the run.
        steps: which ones, counted from 1.
        prefetch: number of batches that threads prepare while the device computes; 0 prepares each in its turn.
    """
    if prefetch == 0:
        yield (StepBatch(step, *_drawn(load, order, seed, step)) for step in steps)
        return
    with ThreadPoolExecutor(min(prefetch, THREADS), thread_name_prefix="batches") as threads:
        waiting: deque[tuple[int, Future[Any], OrderState]] = deque()
        coming = iter(steps)

        def send_one() -> None:
            if (step := next(coming, None)) is not None:
                indices, rng = order.next_batch(), np.random.default_rng(seeds_of_step(seed, step))
                waiting.append((step, threads.submit(load, indices, rng), order.state()))

        def in_turn() -> Iterator[StepBatch]:
            for _ in range(prefetch):
                send_one()
            while waiting:
                send_one()
                step, future, state = waiting.popleft()
                yield StepBatch(step, future.result(), state)

        try:
            yield in_turn()
        finally:
            threads.shutdown(cancel_futures=True)


def _drawn(load: Load, order: SampleOrder, seed: int, step: int) -> tuple[Any, OrderState]:
    batch = load(order.next_batch(), np.random.default_rng(seeds_of_step(seed, step)))
    return batch, order.state()
