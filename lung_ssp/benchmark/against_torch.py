"""Training steps beside those of the same network in eager PyTorch, in turns, and whether both learn alike.

Each side runs in a process of its own that lives through all repeats, so that what slows the machine for a while slows
both. PyTorch runs twice: as it comes, and with large blocks of memory kept, as this package has it for itself.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

import numpy as np

from lung_ssp.benchmark.cases import Case, make_cases
from lung_ssp.classification.settings import SharingMode
from lung_ssp.errors import EnvironmentFault, LungSspError
from lung_ssp.tasks import read_training

PADDLE, TORCH, TORCH_KEEPING = "paddle", "torch", "torch_keeping_blocks"
LEARNING_STEPS = 20  # whose losses are compared
WARMUP_STEPS = 2
PAUSE_SECONDS = 0.3  # between turns: idle threads of OpenMP go on spinning for 0.2 seconds

# glibc has read its variables before Python starts, so that one set here changes nothing but what lung_ssp does.
CODE = f"""
import os, sys
if sys.argv[1] == "{TORCH}":
    os.environ["MALLOC_TRIM_THRESHOLD_"] = "untouched"
from lung_ssp.benchmark.against_torch import serve
serve(*sys.argv[1:])
"""


@dataclass(frozen=True)
class Turn:
    """Milliseconds a step of one turn, by the clock and of the process' own computing time."""

    wall: float
    cpu: float


def compare_with_torch(
    config: Path, overrides: Sequence[str], sharing: Sequence[SharingMode], repeats: int, steps: int
) -> list[dict[str, Any]]:
    """Time training steps on one batch of noise on the CPU, each side in turn.

    Args:
        config, overrides: as for a training; the cohort need not be there.
        sharing: modes of the classifier; none: the configuration's own.
        repeats, steps: turns of each side, and steps in a turn.

    Returns:
        for each mode: `milliseconds`, the median turn of each side; `ratios` of Paddle to PyTorch in each repeat and
        their median `ratio`, and the same of computing time (`cpu_`) and with large blocks kept (`keeping_`);
        `loss_difference`, the largest over 20 steps from the same weights on the same batch without dropout.

    Raises:
        LungSspError: the configuration is at fault, PyTorch is missing, or a side came to an end.
    """
    settings: Any = read_training(config, overrides)[1].settings
    if importlib.util.find_spec("torch") is None:
        raise EnvironmentFault(
            "The comparison needs PyTorch: install the extra, pip install -c constraints.txt -e .[benchmark]."
        )
    cases = make_cases(settings, "training", sharing, ["O0"], ["synthetic"], torch=False)
    return [compare_case(case, config, overrides, repeats, steps) for case in cases]


def compare_case(case: Case, config: Path, overrides: Sequence[str], repeats: int, steps: int) -> dict[str, Any]:
    """One entry of what `compare_with_torch` returns."""
    from lung_ssp.benchmark.measure import Request, write_config

    own = [*overrides, *case.overrides()]
    without_dropout = ["model.keep_probability=1.0"] if case.task == "classification" else []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        paths = []
        for name, words in (("learning", [*own, *without_dropout]), ("timed", own)):
            (Path(folder) / name).mkdir()
            request = Request(case, read_training(config, words)[1].tree, "cpu", WARMUP_STEPS, steps)
            paths.append(write_config(request, Path(folder) / name))
        sides = {name: stack.enter_context(Side(name, *paths)) for name in (PADDLE, TORCH, TORCH_KEEPING)}
        turns: dict[str, list[Turn]] = {name: [] for name in sides}
        for _ in range(repeats):
            for name, side in sides.items():
                turns[name].append(side.turn(steps))
                time.sleep(PAUSE_SECONDS)
        difference = np.abs(np.subtract(sides[PADDLE].losses, sides[TORCH].losses)).max()
    return {"case": case.name.removesuffix(f" {PADDLE}"), **figures(turns), "loss_difference": float(difference)}


def figures(turns: dict[str, list[Turn]]) -> dict[str, Any]:
    """The ratios of all turns, repeat by repeat, and their medians."""

    def ratios(other: str, clock: str) -> list[float]:
        pairs = zip(turns[PADDLE], turns[other], strict=True)
        return [round(getattr(ours, clock) / getattr(theirs, clock), 3) for ours, theirs in pairs]

    return {
        "milliseconds": {name: round(median(turn.wall for turn in own), 1) for name, own in turns.items()},
        "ratio": median(ratios(TORCH, "wall")),
        "ratios": ratios(TORCH, "wall"),
        "cpu_ratio": median(ratios(TORCH, "cpu")),
        "keeping_ratio": median(ratios(TORCH_KEEPING, "wall")),
        "keeping_cpu_ratio": median(ratios(TORCH_KEEPING, "cpu")),
    }


class Side:
    """A process that trains when it is told to; `losses` are those of its first steps without dropout."""

    def __init__(self, name: str, learning: Path, timed: Path) -> None:
        command = [sys.executable, "-c", CODE, name, str(learning), str(timed)]
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.losses: list[float] = self._answer()

    def __enter__(self) -> "Side":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate()  # closes its input, which ends it

    def turn(self, steps: int) -> Turn:
        """Have it make `steps` steps."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return Turn(*self._answer())

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise LungSspError(
                f"The process with {self.name} ended by itself: `lung-ssp benchmark training --torch` tells why."
            )
        return json.loads(line)


def serve(side: str, learning: str, timed: str) -> None:
    """What a side's process does: tell its losses, then make as many steps as each line of standard input says.

    Args:
        learning, timed: the configuration whose losses are compared, and the one whose steps are timed.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    step = steps_of(side, Path(learning))
    print(json.dumps([float(step()) for _ in range(LEARNING_STEPS)]), file=answers, flush=True)
    step = steps_of(side, Path(timed))
    for _ in range(WARMUP_STEPS):
        float(step())
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count := int(line)):
            float(step())
        spent = [1e3 * (time.perf_counter() - wall) / count, 1e3 * (time.process_time() - cpu) / count]
        print(json.dumps(spent), file=answers, flush=True)


def steps_of(side: str, config: Path) -> Callable[[], Any]:
    """A function that makes one training step on the configuration's first batch and returns the loss."""
    from lung_ssp.benchmark import paddle_steps
    from lung_ssp.benchmark.inputs import host_load
    from lung_ssp.benchmark.subject import build_subject
    from lung_ssp.training.batches import batches
    from lung_ssp.training.order import SampleOrder

    subject = build_subject(config)
    seed = subject.settings.seed
    order = SampleOrder(subject.task.size, subject.settings.batch_size, seed)
    with batches(host_load(subject), order, seed, range(1, 2), 0) as coming:
        drawn = next(coming)
    if side == PADDLE:
        own = paddle_steps.training_step(subject)
        return lambda: own(drawn)
    from lung_ssp.benchmark import torch_steps

    other = torch_steps.training_step(subject)
    return lambda: other(drawn)
