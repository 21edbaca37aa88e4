"""Work spread over processes."""

import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import TypeVar

from tqdm import tqdm

from lung_ssp.errors import EnvironmentProblem, cut

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ProcessPool:
    """Several processes; without an executor of them the work is done in this one."""

    executor: ProcessPoolExecutor | None = None

    def map(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        chunk: int = 1,
        progress: str | None = None,
        unit: str = "it",
    ) -> list[Result]:
        """The results for all items, in their order.

        Args:
            chunk: how many items a process is handed at a time.
            progress, unit: title of the progress bar and what it counts; no title, no bar.

        Raises:
            EnvironmentProblem: a process was ended from outside.
        """
        try:
            with _no_interruption():
                results = map(work, items) if self.executor is None else self.executor.map(work, items, chunksize=chunk)
            return list(tqdm(results, progress, len(items), unit=unit, disable=progress is None or not items))
        except BrokenProcessPool as error:
            raise EnvironmentProblem(
                "A process that shared the work was ended, perhaps for want of memory: start again, it continues where "
                "it stopped."
            ) from error


@contextmanager
def process_pool(processes: int) -> Iterator[ProcessPool]:
    """A pool of so many processes; they start with the first work, and end with this process however it ends.

    Where the system has no semaphores for it (no /dev/shm), there is none: the work is done in this process.
    They are started afresh (spawned), not forked: a fork of a process that has loaded Paddle may hang.
    """
    if processes == 1:
        yield ProcessPool()
        return
    others = active_children()
    try:
        pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_end_with_parent)
    except (OSError, ImportError, NotImplementedError) as error:
        logger.warning(f"Other processes cannot share the work ({cut(error)}): this one does all of it.")
        yield ProcessPool()
        return
    with pool as executor:
        try:
            yield ProcessPool(executor)
        except BaseException:
            for worker in set(active_children()) - set(others):  # else what they have begun would be waited for
                worker.kill()
            raise


@contextmanager
def _no_interruption() -> Iterator[None]:
    """Keep Ctrl-C from the processes that are started within the block; for this process it comes after the block.

    A terminal sends it to all of them. They end with this process, and without a word.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]) if hasattr(signal, "pthread_sigmask") else ()
    try:
        yield
    finally:
        if before != ():
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """Watch the process that started this one: left to itself, a worker would outlive it and go on writing."""

    def wait_and_end() -> None:
        if (parent := parent_process()) is not None:
            parent.join()
        os._exit(1)

    Thread(target=wait_and_end, daemon=True).start()
