"""The clock, on a clock that the steps themselves move."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from lung_ssp.benchmark import timing
from lung_ssp.benchmark.timing import time_steps


class Clock:
    """Seconds that pass only where `work` says so; `waited` is when the device was waited for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited: list[float] = []

    def work(self, seconds: float) -> None:
        self.now += seconds

    def wait(self) -> None:
        self.waited.append(self.now)
        self.now += 0.5


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: own.now)
    return own


def batches(clock: Clock) -> Iterator[int]:
    """Batch number n, each read in 1 s."""
    for number in itertools.count(1):
        clock.work(1)
        yield number


def step_of(clock: Clock) -> Callable[[int], list[float]]:
    """Step number n computes for n s and predicts 10 n, with a value that is missing."""

    def step(number: int) -> list[float]:
        clock.work(number)
        return [10 * number - 1, 10 * number + 1, float("nan")]

    return step


def test_each_step_is_timed_with_its_wait_for_the_batch(clock: Clock) -> None:
    times = time_steps(batches(clock), step_of(clock), warmup=2, steps=3, interval=1, synchronise=lambda: None)
    assert times.step_seconds == [4.0, 5.0, 6.0]
    assert times.reader_seconds == [1.0, 1.0, 1.0]
    assert times.outcome == 50.0


def test_an_interval_waits_for_its_device_at_its_two_ends_alone(clock: Clock) -> None:
    times = time_steps(batches(clock), step_of(clock), warmup=0, steps=3, interval=2, synchronise=clock.wait)
    # steps 1 and 2 take 5 s, steps 3 and 4 take 9 s, and each stretch half a second of waiting
    assert times.step_seconds == [5.5 / 2, 9.5 / 2]
    assert times.reader_seconds == [1.0, 1.0]
    assert clock.waited == [0.0, 5.5, 15.0]
