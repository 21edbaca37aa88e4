"""Train and measure both tasks side by side, each by one thread: what `make reproduce` does once the cohort is there.

    python tools/reproduce.py FOLDER [--real-nodules FOLDER]

One thread a task keeps two cores as busy as two threads would, and gives the same sums whatever the number of cores.
The progress shows both tasks with the time left for each; what they said is in FOLDER/TASK.log.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from lung_ssp.interruption import ending_by_exception
from lung_ssp.process_pool import ONE_THREAD
from lung_ssp.runtime import PARENT

CONFIGS = {
    "segmentation": "configs/segmentation/improved_unet.yml",
    "classification": "configs/classification/table2.yml",
}
POLL_SECONDS = 1.0
TAIL_BYTES = 4000
PROGRESS = re.compile(r"\r[^\r\n]*")  # a bar is drawn again from the beginning of its line

BAR = re.compile(r"^(.+?): +(\d+%)\|.*<([\d:?]+)")


def commands(task: str, run: Path, real_nodules: Path | None) -> list[list[str]]:
    """The training of a task, then its evaluation."""
    training = ["train", "--config", CONFIGS[task], "--output", str(run), "--resume"]
    evaluation = ["eval", str(run)]
    if task == "classification":
        evaluation.append("--table2")
    elif real_nodules is not None:
        evaluation += ["--real-nodules", str(real_nodules)]
    return [[sys.executable, "-u", "-m", "lung_ssp.cli", *arguments] for arguments in (training, evaluation)]


def time_left(line: str) -> str:
    """Of a progress bar its percentage and the time left; any other line as it is."""
    found = BAR.search(line)
    return f"{found[1]}: {found[2]}, {found[3]} left" if found else line


class Chain:
    """The commands of one task, one after the other; what they say goes to a log."""

    def __init__(self, task: str, folder: Path, real_nodules: Path | None) -> None:
        self.task, self.log = task, folder / f"{task}.log"
        self._todo = commands(task, folder / task, real_nodules)
        self.process: subprocess.Popen[bytes] | None = None
        self._stream = self.log.open("wb")

    def step(self) -> bool:
        """Start the next command when one has ended; whether there is more to wait for.

        Raises:
            SystemExit: a command failed; with its exit code, after its last line has been printed.
        """
        if self.process is not None and (code := self.process.poll()) != 0:
            if code is None:
                return True
            print(f"\n{self.task}: {self.last_line()}", file=sys.stderr)
            raise SystemExit(code)
        if not self._todo:
            return False
        environment = {**os.environ, **ONE_THREAD, PARENT: str(os.getpid())}
        self.process = subprocess.Popen(
            self._todo.pop(0), env=environment, stdin=subprocess.DEVNULL, stdout=self._stream, stderr=self._stream
        )
        return True

    def last_line(self) -> str:
        """What was said last, a progress bar included."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            lines = re.split(r"[\r\n]+", file.read().decode(errors="replace").strip())
        return lines[-1]

    def said(self) -> str:
        """All that was said but the progress."""
        return PROGRESS.sub("", self.log.read_bytes().decode(errors="replace")).strip()

    def stop(self) -> None:
        """End what still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._stream.close()


def reproduce(folder: Path, real_nodules: Path | None) -> None:
    """Run both tasks to their ends, then print what they said."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(ending_by_exception())
        chains = [Chain(task, folder, real_nodules) for task in CONFIGS]
        for chain in chains:
            stack.callback(chain.stop)
        running = [True]
        while any(running):
            running = [chain.step() for chain in chains]
            if sys.stderr.isatty():
                shown = " | ".join(f"{chain.task} {time_left(chain.last_line())}" for chain in chains)
                print(f"\r\x1b[K{shown[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)
            time.sleep(POLL_SECONDS)
        if sys.stderr.isatty():
            print(file=sys.stderr)
    for chain in chains:
        print(f"\n== {chain.task}\n{chain.said()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the runs go")
    parser.add_argument("--real-nodules", type=Path, help="a folder with real nodules to measure the segmentation on")
    given = parser.parse_args()
    try:
        reproduce(given.folder, given.real_nodules)
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on.", file=sys.stderr)
        sys.exit(130)
