"""The clock: how long each step takes, and how much of it is waiting for its batch."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Workload:
    """What is timed.

    images: that one step works on.
    batches: without end.
    step: works on one batch; a GPU may still be at it when it returns.
    outcome: what a step returned as one number: its loss, or the mean of what it predicted.
    """

    images: int
    batches: Iterator[Any]
    step: Callable[[Any], Any]
    outcome: Callable[[Any], float]


@dataclass(frozen=True)
class Times:
    """Of each timed stretch, the mean seconds of a step: the whole of it, and its wait for the batch.

    outcome: of the last step.
    """

    step_seconds: list[float]
    reader_seconds: list[float]
    outcome: float


def time_steps(work: Workload, warmup: int, steps: int, stretch: int, synchronise: Callable[[], None]) -> Times:
    """Time at least `steps` steps after `warmup` untimed ones.

    Args:
        stretch: steps between two looks at the clock. 1 where a step is over when it returns. On a GPU more: to wait
            for it after each step would keep it from working ahead, and so slow down what is measured.
        synchronise: waits until the device has done all it was given; called before and after each stretch.
    """
    result = None
    for _ in range(warmup):
        result = work.step(next(work.batches))
    step_seconds, reader_seconds = [], []
    synchronise()
    for _ in range(math.ceil(steps / stretch)):
        reading, begin = 0.0, time.perf_counter()
        for _ in range(stretch):
            asked = time.perf_counter()
            batch = next(work.batches)
            reading += time.perf_counter() - asked
            result = work.step(batch)
        synchronise()
        step_seconds.append((time.perf_counter() - begin) / stretch)
        reader_seconds.append(reading / stretch)
    return Times(step_seconds, reader_seconds, work.outcome(result))
