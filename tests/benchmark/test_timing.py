"""The clock, on a clock that the steps themselves move."""

from collections.abc import Iterator

import pytest

from lung_ssp.benchmark import timing
from lung_ssp.benchmark.timing import Workload, time_steps


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


def workload(clock: Clock) -> Workload:
    """Step number n reads for 1 s, computes for n s and comes to 10 n."""

    def batches() -> Iterator[int]:
        number = 0
        while True:
            clock.work(1)
            yield (number := number + 1)

    def step(number: int) -> int:
        clock.work(number)
        return 10 * number

    return Workload(1, batches(), step, float)


def test_each_step_is_timed_with_its_wait_for_the_batch(clock: Clock) -> None:
    times = time_steps(workload(clock), warmup=2, steps=3, stretch=1, synchronise=lambda: None)
    assert times.step_seconds == [4.0, 5.0, 6.0]
    assert times.reader_seconds == [1.0, 1.0, 1.0]
    assert times.outcome == 50.0


def test_a_stretch_waits_for_its_device_at_its_two_ends_alone(clock: Clock) -> None:
    times = time_steps(workload(clock), warmup=0, steps=3, stretch=2, synchronise=clock.wait)
    # steps 1 and 2 take 5 s, steps 3 and 4 take 9 s, and each stretch half a second of waiting
    assert times.step_seconds == [5.5 / 2, 9.5 / 2]
    assert times.reader_seconds == [1.0, 1.0]
    assert clock.waited == [0.0, 5.5, 15.0]
