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
THREADS = 4  # at most; NumPy and OpenCV, which read a batch, release Python's global lock


@dataclass(frozen=True)
class StepBatch:
    """The batch of one step.

    step: counted from 1.
    batch: as the task's `load` returned it.
    order: the state of the samples' order after this batch.
    """

    step: int
    batch: Any
    order: OrderState


def seeds_of_step(seed: int, step: int) -> np.random.SeedSequence:
    """The seeds of a step, from the run's seed and the step, so that no generator's state needs saving."""
    return np.random.SeedSequence([seed, step])


def dropout_seed(seed: int, step: int, rank: int = 0) -> int:
    """The seed of Paddle's generator, which draws the dropout, at a step; each process has its own."""
    return int(seeds_of_step(seed, step).generate_state(rank + 1)[-1])


@contextmanager
def batches(load: Load, order: SampleOrder, seed: int, steps: range, prefetch: int) -> Iterator[Iterator[StepBatch]]:
    """The batches of `steps` in their order; `prefetch` does not change them.

    Args:
        load: called with the indices and the generator of a step, from several threads if `prefetch` is not 0.
        order: of the samples; with prefetching it is ahead of the steps by as many batches.
        seed: of the run.
        steps: which ones, counted from 1.
        prefetch: number of batches that threads prepare while the device computes; 0 prepares each in its turn.
    """
    with ThreadPoolExecutor(max(1, min(prefetch, THREADS)), thread_name_prefix="batches") as threads:
        waiting: deque[tuple[int, Future[Any], OrderState]] = deque()

        def first_waiting() -> StepBatch:
            step, future, state = waiting.popleft()
            return StepBatch(step, future.result(), state)

        def in_turn() -> Iterator[StepBatch]:
            for step in steps:
                indices, rng = order.next_batch(), np.random.default_rng(seeds_of_step(seed, step))
                if prefetch == 0:
                    yield StepBatch(step, load(indices, rng), order.state())
                    continue
                waiting.append((step, threads.submit(load, indices, rng), order.state()))
                if len(waiting) > prefetch:
                    yield first_waiting()
            while waiting:
                yield first_waiting()

        try:
            yield in_turn()
        finally:
            threads.shutdown(cancel_futures=True)
