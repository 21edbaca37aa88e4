"""Work spread over processes."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ProcessPool:
    """Several processes; without a pool the work is done in this one.

    executor: of the processes, or None.
    """

    executor: ProcessPoolExecutor | None = None

    def map(self, work: Callable[[Item], Result], items: Iterable[Item], chunk: int = 1) -> Iterator[Result]:
        """The results for all items, in their order; processes are handed `chunk` items at a time."""
        return map(work, items) if self.executor is None else self.executor.map(work, items, chunksize=chunk)


@contextmanager
def process_pool(processes: int) -> Iterator[ProcessPool]:
    """A pool of so many processes; they start with the first work, and end with this process however it ends.

    They are started afresh (spawned), not forked: a fork of a process that has loaded Paddle may hang.
    """
    if processes == 1:
        yield ProcessPool()
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_end_with_parent) as executor:
        yield ProcessPool(executor)


def _end_with_parent() -> None:
    """Watch the process that started this one: left to itself, a worker would outlive it and go on writing."""
    Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
