"""Jobs on dask.distributed, by local processes of one thread or by a cluster; a process that dies loses no job."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import dask
from distributed import CancelledError, Client, LocalCluster, as_completed
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker

from lung_ssp.errors import LungSspError
from lung_ssp.process_pool import NO_PROGRESS, ONE_THREAD, environment

CONNECT_TIMEOUT = "20s"

JobT = TypeVar("JobT")


class WorkersLost(Exception):
    """Every process that tried a job died."""


@contextmanager
def open_workers(count: int, memory_gb: float | None, attempts: int, scheduler: str | None) -> Iterator[Client]:
    """A client of the cluster at `scheduler`, or of one on this machine that ends with the block.

    Args:
        count: processes on this machine, where no scheduler is named.
        memory_gb: of each, in 1e9 bytes; beyond it a process is replaced. None for no limit.
        attempts: how many processes may die of a job before it counts as failed.
        scheduler: address of a Dask scheduler; None for processes on this machine.

    Raises:
        LungSspError: no scheduler answers at that address.
    """
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=CONNECT_TIMEOUT)
        except (OSError, ValueError) as error:
            raise LungSspError(
                f"No Dask scheduler answers at {scheduler} ({type(error).__name__}): start one with dask-scheduler, or "
                "leave out --scheduler to use this machine."
            ) from error
        with client:
            yield client
        return
    with (
        environment(ONE_THREAD),
        tempfile.TemporaryDirectory(prefix="lung-ssp-workers-") as space,
        dask.config.set(
            {
                "distributed.scheduler.allowed-failures": attempts - 1,
                # by default freed arrays are returned to the system at once, which is slow; a job does it where it
                # is needed (runtime.return_free_memory)
                "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
            }
        ),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            memory_limit=0 if memory_gb is None else int(memory_gb * 1e9),
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            local_directory=space,
            silence_logs=50,
            env=NO_PROGRESS,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def run_jobs(
    client: Client, work: Callable[[JobT], Any], jobs: Sequence[JobT], name: Callable[[JobT], str]
) -> Iterator[tuple[JobT, Any]]:
    """Do `work` on each job; yields each job with its result, or with the exception it ended with, as they end.

    Jobs are handed out in their order, one for each worker: so a worker that dies loses one job, which is given to
    another, and no other job counts as failed. Where too many workers die of a job, its result is WorkersLost.
    """
    waiting = iter(jobs)
    of_key: dict[str, JobT] = {}
    running = as_completed()

    def hand_out() -> None:
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        for job in islice(waiting, max(1, workers) - len(of_key)):
            of_key[name(job)] = job
            running.add(client.submit(work, job, key=name(job), pure=False))

    try:
        hand_out()
        for future in running:
            error = future.exception()
            result = error if error is not None else future.result()
            yield of_key.pop(future.key), WorkersLost() if isinstance(error, KilledWorker) else result
            future.release()
            hand_out()
    except (CancelledError, CommClosedError) as error:
        raise LungSspError(
            "The connection to the Dask scheduler is lost: start the same command again, it continues where it stopped."
        ) from error
