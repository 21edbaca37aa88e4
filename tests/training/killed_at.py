"""What test_kills.py runs: commands that are killed at their k-th write, each in a child of its own.

    python killed_at.py

Each line of standard input is a list [command, words, k]: the command is killed just before its k-th write to the disk;
k is 0 for none. For each a line is printed, how it ended: a number of writes, "killed", or the error's sentence. The
commands share one Paddle, which is loaded once and computes in the children alone.
"""

import builtins
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lung_ssp.cohort.manifest import prepare_manifest  # noqa: F401  loaded once, for all children
from lung_ssp.cohort.phantom.make import make_phantom_cohort  # noqa: F401
from lung_ssp.diagnosis.diagnoser import diagnose_series
from lung_ssp.errors import LungSspError
from lung_ssp.preparation import prepare
from lung_ssp.runs import evaluate, export, train


def diagnose(overrides: Sequence[str] = (), **paths: str) -> None:
    """Diagnose one series; from the paths' texts."""
    diagnose_series(**{name: Path(path) for name, path in paths.items()}, overrides=overrides)  # type: ignore[arg-type]


COMMANDS: dict[str, Callable[..., object]] = {
    "train": train,
    "evaluate": evaluate,
    "export": export,
    "prepare": prepare,
    "diagnose": diagnose,
}
WRITES = ("replace", "rename", "fsync", "mkdir", "unlink", "rmdir", "truncate", "link")  # of the module os
writes = 0


def count_writes(until: int) -> None:
    """Kill this process before it makes its `until`-th change to the disk."""

    def noted(function: Callable[..., Any], changes: Callable[..., bool]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            global writes
            if changes(*args, **kwargs):
                writes += 1
                if writes == until:
                    os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return wrapped

    def opens_for_writing(path: object, mode: object = "r", *_: object, **__: object) -> bool:
        inside = isinstance(path, str | Path) and str(path).startswith(str(Path.cwd()))
        return inside and isinstance(mode, str) and bool(set(mode) & set("wax+"))

    for name in WRITES:
        setattr(os, name, noted(getattr(os, name), lambda *args, **kwargs: True))
    os.open = noted(os.open, lambda path, flags, *_, **__: bool(flags & (os.O_WRONLY | os.O_RDWR)))  # type: ignore[assignment]
    builtins.open = io.open = noted(open, opens_for_writing)  # type: ignore[assignment]


def in_child(command: str, words: dict[str, Any], until: int) -> str:
    """Run a command in a child; how it ended."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core: a preparation starts no processes then
        count_writes(until)
        try:
            COMMANDS[command](**words)
            said = str(writes)
        except LungSspError as error:
            said = str(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        said = file.read()
    _, status = os.waitpid(child, 0)
    return "killed" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL else said


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(in_child(*json.loads(line))), flush=True)
