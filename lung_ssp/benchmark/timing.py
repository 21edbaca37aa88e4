"""The clock: how long each step takes, and how much of it is waiting for its batch."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Times:
    """Of each timed interval, the mean seconds of a step: the whole of it, and its wait for the batch.

    outcome: the mean of what the last step returned: its loss, or what it predicted; NaN is left out, as the pathology
        logits of a section without a slide.
    """

    step_seconds: list[float]
    reader_seconds: list[float]
    outcome: float


def time_steps(
    batches: Iterator[Any],
    step: Callable[[Any], Any],
    *,
    warmup: int,
    steps: int,
    interval: int,
    synchronise: Callable[[], None],
) -> Times:
    """Time at least `steps` steps after `warmup` untimed ones.

    Args:
        batches: without end.
        step: works on one batch and returns a tensor or an array; a GPU may still be at it then.
        interval: steps between two readings of the clock. 1 where a step is over when it returns. More on a GPU: to
            synchronise after each step would keep it from working ahead, and so slow down what is measured.
        synchronise: waits until the device has done all it was given; called before and after each interval.
    """
    result = None
    for _ in range(warmup):
        result = step(next(batches))
    step_seconds, reader_seconds = [], []
    synchronise()
    for _ in range(math.ceil(steps / interval)):
        reading, begin = 0.0, time.perf_counter()
        for _ in range(interval):
            asked = time.perf_counter()
            batch = next(batches)
            reading += time.perf_counter() - asked
            result = step(batch)
        synchronise()
        step_seconds.append((time.perf_counter() - begin) / interval)
        reader_seconds.append(reading / interval)
    return Times(step_seconds, reader_seconds, float(np.nanmean(np.asarray(result))))
