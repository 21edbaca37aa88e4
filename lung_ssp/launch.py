"""One training in several processes of this machine, by Paddle's launcher.

The launcher starts the workers and ends them all when one fails. But it does not start them again, says little that a
user can act upon, and writes the whole environment beside its logs. So it works in a private folder; what its first
worker says is passed on, a failure is told in one sentence, and the training is resumed.
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lung_ssp import runtime
from lung_ssp.errors import EnvironmentFault, TrainingError
from lung_ssp.files import copy

WORKER_LOGS = "launch"  # in the run's folder: what the workers said when one of them failed
FAULT = "lung-ssp train: "  # what the command line puts before the sentence of a fault
# How Python, Paddle and C++ begin to tell of a process's failure; the log keeps what follows.
FAILURE = ("Traceback (most recent call last)", "----------", "terminate called")
SECONDS_BETWEEN_LOOKS = 0.1
PR_SET_PDEATHSIG = 1  # prctl.h


@dataclass(frozen=True)
class Job:
    """What is launched.

    words: of the command line that each worker runs, e.g. ("train", "--config", "a.yml", "--output", "run").
    device: "cpu" or "gpu".
    output: the run's folder.
    """

    words: Sequence[str]
    processes: int
    device: str
    output: Path


class WorkerFailure(TrainingError):
    """A worker has ended without a word of its own: started again, the training may go on."""


def launch(job: Job, restarts: int) -> None:
    """Train in several processes to the end; what the first of them says goes to standard output.

    Args:
        restarts: how often the training goes on from its last checkpoint after a worker has failed.

    Raises:
        EnvironmentFault: there are fewer GPUs than processes.
        TrainingError: a worker refused its input, or failed once more than there are restarts.
    """
    check_devices(job)
    for restart in range(restarts + 1):
        try:
            launch_once(job)
        except WorkerFailure as failure:
            if restart == restarts:
                raise TrainingError(f"{failure} Add --resume to go on from the last checkpoint.") from failure
            print(f"{failure} Going on from the last checkpoint, restart {restart + 1} of {restarts}.", file=sys.stderr)
        else:
            return
        if "--resume" not in job.words:
            job = replace(job, words=[*job.words, "--resume"])


def check_devices(job: Job) -> None:
    """Refuse more processes than GPUs, for each needs one.

    Raises:
        EnvironmentFault: saying how many there are.
    """
    if job.device != "gpu":
        return
    runtime.require_libraries("paddle")
    import paddle

    if job.processes > (gpus := paddle.device.cuda.device_count()):
        raise EnvironmentFault(f"--processes is {job.processes}, but Paddle sees {gpus} GPUs: each process needs one.")


def launch_once(job: Job) -> None:
    """Run the workers until all are done or one has failed; then none is left.

    Raises:
        TrainingError: of `failure`.
    """
    with tempfile.TemporaryDirectory(prefix="lung-ssp-launch-") as name, ended_by_signals():
        logs = Path(name)
        with (logs / "launcher").open("wb") as said:
            launcher = subprocess.Popen(
                [*launcher_words(job.processes, logs), *job.words],
                env=worker_environment(job),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # an interruption at the keyboard reaches this process alone
                preexec_fn=end_with_the_parent,
            )
        try:
            console = Console(logs / "workerlog.0")
            while launcher.poll() is None:
                console.pass_on()
                time.sleep(SECONDS_BETWEEN_LOOKS)
            console.pass_on()
        finally:
            end(launcher)
        if launcher.returncode:
            raise failure(job, logs)


def launcher_words(processes: int, logs: Path) -> list[str]:
    """The command line of Paddle's launcher, up to the words of the worker's own."""
    launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(processes), "--log_dir", str(logs)]
    return [sys.executable, *launcher, sys.executable, "-u", "-m", "lung_ssp.cli"]


def worker_environment(job: Job) -> dict[str, str]:
    """The environment of the workers, who share the cores among themselves."""
    cores = len(os.sched_getaffinity(0))
    quiet = {"GLOG_minloglevel": "2"}  # errors only: Paddle tells of each connection it opens
    own = {**os.environ, **quiet, "OMP_NUM_THREADS": str(max(1, cores // job.processes))}
    if job.device == "cpu":
        # The launcher gives each process one of the devices it sees, whether wanted or not: as many, that do not exist.
        own["CUDA_VISIBLE_DEVICES"] = ",".join(["-1"] * job.processes)
    return own


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let the request to end (SIGTERM) raise SystemExit, so that the workers are not left behind."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_with_the_parent() -> None:
    """Let the system end this process at once when the one that started it has ended, however it did.

    By force (SIGKILL): Paddle's own handler of SIGTERM may wait for ever for what the interrupted thread holds, and
    nothing is lost, for all files are written atomically.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end(launcher: subprocess.Popen[bytes]) -> None:
    """End the launcher, which ends its workers: by force after half a minute, where asking does not help."""
    if launcher.poll() is None:
        launcher.terminate()
        launcher.wait()


class Console:
    """Passes the lines of a growing log on to standard output, progress bars as well, up to the words of a failure."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._position = 0
        self._failed = False

    def pass_on(self) -> None:
        """Pass on the lines that have been completed since the last time."""
        if self._failed or not self._log.is_file():
            return
        with self._log.open("rb") as file:
            file.seek(self._position)
            new = file.read()
        whole = new[: max(new.rfind(b"\n"), new.rfind(b"\r")) + 1]
        self._position += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines(keepends=True):
            self._failed = self._failed or line.startswith((FAULT, *FAILURE))
            if not self._failed:
                sys.stdout.write(line)
        sys.stdout.flush()


def failure(job: Job, logs: Path) -> TrainingError:
    """Why the workers did not come to their end: the fault that one of them told, or which of them failed and how."""
    worker_logs = sorted(logs.glob("workerlog.*"))
    for log in worker_logs:
        told = [line for line in log.read_text(errors="replace").splitlines() if line.startswith(FAULT)]
        if told:
            return TrainingError(told[-1].removeprefix(FAULT))
    kept = job.output / WORKER_LOGS
    for log in worker_logs:
        copy(log, kept / log.name)
    said = (logs / "launcher").read_text(errors="replace")
    found = re.search(r"Container rank (\d+) status failed .* code (-?\d+) log ", said)
    if found is None:
        last_words = said.strip().rpartition("\n")[2] or "it said nothing"
        return TrainingError(f"Paddle's launcher failed: {last_words}.")
    worker, code = map(int, found.groups())
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return WorkerFailure(f"Worker {worker} of {job.processes}, counted from 0, {how}: see {kept}/workerlog.{worker}.")
