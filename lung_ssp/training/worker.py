"""A worker process of a training: it ends with its parent, and tells it in a small JSON file why it failed."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lung_ssp.errors import LungSspError
from lung_ssp.files import read_json, write_json
from lung_ssp.runtime import c_function

# Environment variables that `launch` sets for a worker.
FAILURE_FILE = "LUNG_SSP_FAILURE_FILE"
PARENT = "LUNG_SSP_PARENT"  # process id
PR_SET_PDEATHSIG = 1  # prctl.h


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


def is_worker() -> bool:
    """Whether `launch` has started this process."""
    return FAILURE_FILE in os.environ


@contextmanager
def running_as_worker() -> Iterator[None]:
    """In a worker: end with the parent, and write the exception that leaves the block into the failure file.

    In any other process it does nothing.
    """
    if not is_worker():
        yield
        return
    end_with_parent(int(os.environ[PARENT]))
    try:
        yield
    except Exception as error:
        failure = Failure(time.monotonic(), type(error).__name__, sentence_of(error))
        write_json(Path(os.environ[FAILURE_FILE]), asdict(failure))
        raise


def end_with_parent(parent: int) -> None:
    """Let the system kill this process as soon as its parent has ended, in whatever way; Linux only.

    By SIGKILL: Paddle's handler of SIGTERM may wait for ever for a lock of the interrupted thread. Nothing is lost,
    since all files are written atomically.

    Args:
        parent: its process id. If that process has already ended, this one ends here.
    """
    prctl = c_function("prctl")
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def sentence_of(error: Exception) -> str | None:
    """The message of an error that the user must correct, e.g. a full disk; None for any other exception.

    An OSError without an error number is Paddle's, which raises it for lost connections.
    """
    if isinstance(error, LungSspError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)
    return None


def read_failure(path: Path) -> Failure | None:
    """The failure that a worker has written; None where it has written none."""
    return Failure(**read_json(path)) if path.is_file() else None
