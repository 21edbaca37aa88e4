"""Work spread over processes: as a pool that stands or falls together, or as workers of which each may die alone."""

import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import active_children, get_context, parent_process
from threading import RLock, Thread
from typing import Any, TypeVar

from tqdm import tqdm

from lung_ssp.errors import EnvironmentProblem, cut

logger = logging.getLogger(__name__)

# Of processes that share the cores: two threads in each of two processes would share every core.
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "OPENCV_FOR_THREADS_NUM",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    ),
    "1",
)
NO_PROGRESS = {"TQDM_DISABLE": "1"}  # the main process shows the progress of all

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
    """
    if processes == 1:
        yield ProcessPool()
        return
    with _executor_if_possible(processes) as executor, _killed_after_an_error():
        yield ProcessPool(executor)


class ProcessLost(Exception):
    """The process that did a piece of work was ended from outside."""


@dataclass(frozen=True)
class Workers:
    """Processes that each do one piece of work at a time; without any the work is done in this one.

    idle: an executor of one process each, since of one with several nobody can tell whose work ended it.
    ending: shuts down all there have been.
    """

    ending: ExitStack
    idle: list[ProcessPoolExecutor] = field(default_factory=list)

    def new(self) -> ProcessPoolExecutor:
        """An executor of one process, which starts with its first work."""
        return self.ending.enter_context(_new_executor(1))

    def each(
        self, work: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result | ProcessLost]]:
        """Each item with its result, as they end; an exception of the work is raised.

        Where the process that has an item is ended from outside, its result is ProcessLost, and a new process takes
        the next one.
        """
        if not self.idle:
            yield from ((item, work(item)) for item in items)
            return
        waiting, running = iter(items), dict[Future[Any], tuple[ProcessPoolExecutor, Item]]()

        def hand_out() -> None:
            for item in islice(waiting, len(self.idle)):
                executor, future = self._submit(self.idle.pop(), work, item)
                running[future] = executor, item

        hand_out()
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                executor, item = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    executor, result = self.new(), ProcessLost()
                self.idle.append(executor)
                hand_out()
                yield item, result

    def _submit(
        self, executor: ProcessPoolExecutor, work: Callable[[Item], Result], item: Item
    ) -> tuple[ProcessPoolExecutor, "Future[Result]"]:
        """Hand an item to an executor, or to a new one where its process was ended while it had nothing to do."""
        with _no_interruption():
            try:
                return executor, executor.submit(work, item)
            except BrokenProcessPool:
                executor = self.new()
                return executor, executor.submit(work, item)


@contextmanager
def worker_processes(count: int, variables: Mapping[str, str]) -> Iterator[Workers]:
    """So many workers; each starts with its first work, and all end with this process however it ends.

    Without semaphores there are none, as of `process_pool`.

    Args:
        variables: of their environment, beside this process's own.
    """
    with environment(variables), ExitStack() as ending, _killed_after_an_error():
        workers = Workers(ending)
        if (first := ending.enter_context(_executor_if_possible(1))) is not None:
            workers.idle.extend([first, *(workers.new() for _ in range(count - 1))])
        yield workers


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables within the block, for the processes that it starts."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _new_executor(processes: int) -> ProcessPoolExecutor:
    """Processes that are started afresh (spawned), not forked: a fork of one that has loaded Paddle may hang."""
    return ProcessPoolExecutor(processes, get_context("spawn"), initializer=_end_with_parent)


def _executor_if_possible(processes: int) -> "ProcessPoolExecutor | nullcontext[None]":
    """Such processes; none, and a warning, where the system has no semaphores for them."""
    try:
        return _new_executor(processes)
    except (OSError, ImportError, NotImplementedError) as error:
        logger.warning(f"Other processes cannot share the work ({cut(error)}): this one does all of it.")
        return nullcontext()


@contextmanager
def _killed_after_an_error() -> Iterator[None]:
    """Kill the processes that the block has started where it ends with an exception: they would be waited for."""
    others = active_children()
    try:
        yield
    except BaseException:
        for worker in set(active_children()) - set(others):
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
    """Watch the process that started this one: left to itself, a worker would outlive it and go on writing.

    Progress bars get a lock of this process alone: one between processes would be told as left behind by a kill.
    """
    tqdm.set_lock(RLock())

    def wait_and_end() -> None:
        if (parent := parent_process()) is not None:
            parent.join()
        os._exit(1)

    Thread(target=wait_and_end, daemon=True).start()
