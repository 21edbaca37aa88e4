"""Training in several processes of this machine, or in one that is started again when it dies.

As torchrun does, the parent starts the workers, watches them and kills all when one fails. The environment that it
gives them is the one that paddle.distributed.launch gives. A worker writes why it failed into a small JSON file, so
that the parent need not search the workers' logs, and ends with its parent.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lung_ssp import runtime
from lung_ssp.errors import (
    ConfigError,
    EnvironmentProblem,
    LungSspError,
    TrainingError,
    is_of_the_system,
    sentence_of_system_error,
)
from lung_ssp.files import copy, read_json, write_json
from lung_ssp.folders import refuse_links
from lung_ssp.interruption import ending_by_exception
from lung_ssp.training.settings import TrainingSettings
from lung_ssp.visible import visible

WORKER_LOGS = "launch"  # in the run's folder: the workers' logs after a failure
WORKER_ARGV = (sys.executable, "-u", "-m", "lung_ssp.cli")  # takes `Job.training_arguments`
POLL_SECONDS = 0.02
GRACE_SECONDS = 0.2  # for the system to report every process that has ended before the one first noticed
FAILURE_FILE = "LUNG_SSP_FAILURE_FILE"  # in a worker's environment: a path

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A training to launch.

    training_arguments: the command line of each worker, e.g. ("train", "--config", "a.yml", "--output", "run").
    output: the run's folder.
    """

    training_arguments: Sequence[str]
    processes: int
    device: runtime.Device
    output: Path


@dataclass(frozen=True)
class Failure:
    """The exception that ended a worker.

    time: when it was raised, in seconds of time.monotonic(), which all processes of a machine share.
    exception: name of its class.
    sentence: the message of an error that the user must correct; None for any other exception.
    """

    time: float
    exception: str
    sentence: str | None


@dataclass(frozen=True)
class Worker:
    """A started worker, with its log and the file in which it tells why it failed."""

    rank: int
    process: "subprocess.Popen[bytes]"
    log: Path
    failure_file: Path

    def failure(self) -> Failure | None:
        """The failure that it has written; None where it has written none."""
        return Failure(**read_json(self.failure_file)) if self.failure_file.is_file() else None


class WorkerFailure(TrainingError):
    """A worker died, or failed with an exception that is no error of the user's: a restart may help."""


def launch(job: Job, restarts: int) -> None:
    """Train in several processes to the end; the progress of the main process goes to standard output.

    Args:
        restarts: how often the training goes on from its last checkpoint after a worker has failed.

    Raises:
        EnvironmentProblem: there are fewer GPUs than processes.
        LungSspError: the folder of the workers' logs is a symbolic link.
        TrainingError: a worker refused its input, or failed once more than there are restarts.
    """
    check_devices(job)
    refuse_links(job.output, [WORKER_LOGS])
    for restart in range(restarts + 1):
        try:
            run_workers(job)
        except WorkerFailure as failure:
            if restart == restarts:
                raise TrainingError(f"{failure} Add --resume to go on from the last checkpoint.") from failure
            logger.warning(
                visible(f"{failure} Going on from the last checkpoint, restart {restart + 1} of {restarts}.")
            )
        else:
            return
        if "--resume" not in job.training_arguments:
            job = replace(job, training_arguments=[*job.training_arguments, "--resume"])


def check_shared(settings: TrainingSettings, processes: int) -> None:
    """Refuse a training that the processes cannot share.

    Raises:
        ConfigError: the batch cannot be divided evenly, or the network is one of a single process.
    """
    if processes > 1 and settings.needs_one_process:
        raise ConfigError(settings.needs_one_process)
    if settings.batch_size % processes:
        raise ConfigError(
            f"batch_size is {settings.batch_size}, which {processes} processes cannot share evenly: make it a multiple "
            f"of {processes}, or change --processes."
        )


def check_devices(job: Job) -> None:
    """Refuse more processes than GPUs, since each needs one, with an EnvironmentProblem; warn of too few cores."""
    if job.device == "cpu" and job.processes > (cores := runtime.cores()):
        logger.warning(f"--processes is {job.processes}, but there are {cores} cores: fewer processes would be faster.")
    if job.device == "gpu":
        runtime.require_libraries("paddle")
        import paddle

        if job.processes > (gpus := paddle.device.cuda.device_count()):
            raise EnvironmentProblem(
                f"--processes is {job.processes}, but Paddle sees {gpus} GPUs: each process needs one."
            )


def run_workers(job: Job) -> None:
    """Run the workers until all are done, or raise `error_of` the one that failed first; afterwards none is left."""
    endpoints = [f"127.0.0.1:{port}" for port in free_ports(job.processes)]
    workers: list[Worker] = []
    with tempfile.TemporaryDirectory(prefix="lung-ssp-launch-") as folder, ending_by_exception():
        try:
            for rank in range(job.processes):
                workers.append(start_worker(job, rank, endpoints, Path(folder)))
            while not any(codes := [worker.process.poll() for worker in workers]):
                if None not in codes:
                    return
                time.sleep(POLL_SECONDS)
            time.sleep(GRACE_SECONDS)
            failed = first_failed(workers)
        finally:
            for worker in workers:
                worker.process.kill()
            for worker in workers:
                worker.process.wait()
        raise error_of(failed, workers, job)


def start_worker(job: Job, rank: int, endpoints: list[str], folder: Path) -> Worker:
    """Start one worker. Its errors go to a log; its output goes where this process's goes if it is the main process.

    Args:
        endpoints: an address and port for each worker.
        folder: for logs and failure files.
    """
    log, failure_file = folder / f"worker-{rank}.log", folder / f"failure-{rank}.json"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*WORKER_ARGV, *job.training_arguments],
            env={
                **worker_environment(job, rank, endpoints),
                FAILURE_FILE: str(failure_file),
                runtime.PARENT: str(os.getpid()),
            },
            stdin=subprocess.DEVNULL,
            stdout=None if rank == 0 else stream,
            stderr=stream,
            start_new_session=True,  # so that Ctrl-C reaches this process alone
        )
    return Worker(rank, process, log, failure_file)


def worker_environment(job: Job, rank: int, endpoints: list[str]) -> dict[str, str]:
    """The environment from which paddle.distributed.init_parallel_env learns its part; workers share the cores."""
    if job.device == "gpu":
        devices = {"PADDLE_DISTRI_BACKEND": "nccl", "FLAGS_selected_gpus": str(rank)}
    else:
        devices = {"PADDLE_DISTRI_BACKEND": "gloo", "CUDA_VISIBLE_DEVICES": "-1"}
    return {
        **os.environ,
        **devices,
        "PADDLE_TRAINER_ID": str(rank),
        "PADDLE_TRAINERS_NUM": str(job.processes),
        "PADDLE_TRAINER_ENDPOINTS": ",".join(endpoints),
        "PADDLE_CURRENT_ENDPOINT": endpoints[rank],
        "PADDLE_MASTER": endpoints[0],
        # Paddle prefers these two, which a cluster may have set for another job.
        "MASTER_ADDR": endpoints[0].rpartition(":")[0],
        "MASTER_PORT": endpoints[0].rpartition(":")[2],
        "OMP_NUM_THREADS": str(max(1, runtime.cores() // job.processes)),
        "GLOG_minloglevel": "2",  # errors only: Paddle logs each connection that it opens
    }


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that no process listens on."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def first_failed(workers: list[Worker]) -> Worker:
    """The worker whose failure is the cause of the others'.

    A worker that has lost the connection to another raises an exception, which it writes down. So a worker that ended
    without writing was killed, and is the cause; else the one whose exception is the earliest.
    """

    failed = [worker for worker in workers if worker.process.poll() or worker.failure_file.is_file()]
    return min(failed, key=lambda worker: failure.time if (failure := worker.failure()) else -1.0)


def error_of(failed: Worker, workers: list[Worker], job: Job) -> TrainingError:
    """The TrainingError of a worker that refused its input, else a WorkerFailure; then the run gets all logs.

    Logs for which there is no room hide no failure: it is told all the same, and a restart may follow.
    """
    failure = failed.failure()
    if failure is not None and failure.sentence is not None:
        return TrainingError(failure.sentence)
    kept = job.output / WORKER_LOGS
    log = f": see {kept / failed.log.name}"
    try:
        for worker in workers:
            copy(worker.log, kept / worker.log.name)
    except OSError as error:
        log = f"; the workers' logs could not be kept: {sentence_of_system_error(error)}"
    code = failed.process.returncode
    if failure is not None:
        how = f"failed ({failure.exception})"
    else:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return WorkerFailure(f"Worker {failed.rank} of {job.processes} (counted from 0) {how}{log}.")


def is_worker() -> bool:
    """Whether `launch` has started this process."""
    return FAILURE_FILE in os.environ


@contextmanager
def running_as_worker() -> Iterator[None]:
    """In a worker: write the exception that leaves the block into the failure file.

    In any other process it does nothing.
    """
    try:
        yield
    except Exception as error:
        if is_worker():
            failure = Failure(time.monotonic(), type(error).__name__, sentence_of(error))
            with suppress(OSError):  # the exception itself tells more than that it could not be written down
                write_json(Path(os.environ[FAILURE_FILE]), asdict(failure))
        raise


def sentence_of(error: Exception) -> str | None:
    """The message of an error that the user must correct, e.g. a full disk; None for any other exception."""
    if isinstance(error, LungSspError):
        return str(error)
    if isinstance(error, OSError) and is_of_the_system(error):
        return sentence_of_system_error(error)
    return None
