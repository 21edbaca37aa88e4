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
class Workers:
    """Processes that work alike, or none: then the work is done here."""

    pool: ProcessPoolExecutor | None = None

    def map(self, work: Callable[[Item], Result], items: Iterable[Item], chunk: int = 1) -> Iterator[Result]:
        """The results for all items, in their order; processes are handed `chunk` items at a time."""
        return map(work, items) if self.pool is None else self.pool.map(work, items, chunksize=chunk)


@contextmanager
def workers(processes: int) -> Iterator[Workers]:
    """Workers in so many processes; they start with the first work, and end with this process however it ends.

    They are started afresh (spawned), not forked: a fork of a process that has loaded Paddle may hang.
    """
    if processes == 1:
        yield Workers()
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_end_with_parent) as pool:
        yield Workers(pool)


def _end_with_parent() -> None:
    """Watch the process that started this one: left to itself, a worker would outlive it and go on writing."""
    Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
