"""Training steps beside those of the same network in eager PyTorch, in turns, and whether both learn alike.

Each side runs in a process of its own that lives through all repeats, so that what slows the machine for a while slows
both. PyTorch runs twice: as it comes, and with large blocks of memory kept, as this package sets it for itself.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, get_args

import numpy as np

from command import positive, run
from lung_ssp import runtime
from lung_ssp.benchmark.cases import BenchmarkPlan, Case
from lung_ssp.benchmark.measure import Request, reason_of_end, write_config
from lung_ssp.benchmark.run import make_cases
from lung_ssp.classification.settings import SharingMode
from lung_ssp.errors import EnvironmentProblem, LungSspError
from lung_ssp.tasks import read_training
from torch_side import PADDLE, TORCH, TORCH_KEEPING

PAUSE_SECONDS = 0.3  # between turns: idle threads of OpenMP go on spinning for 0.2 seconds
SIDE = Path(__file__).with_name("torch_side.py")


@dataclass(frozen=True)
class Turn:
    """Milliseconds a step of one turn, by the clock and of the process' own computing time."""

    wall_ms: float
    cpu_ms: float


@dataclass(frozen=True)
class Ratios:
    """Paddle's times by PyTorch's in each repeat by the clock, their median, and the median of computing time."""

    wall: float
    cpu: float
    wall_of_repeats: list[float]


@dataclass(frozen=True)
class TorchComparison:
    """One case.

    milliseconds: of each side, the median turn by the clock.
    to_torch, to_torch_keeping_blocks: Paddle to PyTorch as it comes, and with large blocks of memory kept.
    loss_difference: the largest over the first steps from the same weights on the same batch without dropout.
    """

    case: str
    milliseconds: dict[str, float]
    to_torch: Ratios
    to_torch_keeping_blocks: Ratios
    loss_difference: float


@dataclass(frozen=True)
class TorchComparisons:
    """One comparison for each sharing mode, and what they were made with (runtime.environment)."""

    environment: dict[str, Any]
    torch: str
    cases: list[TorchComparison]


def compare_with_torch(plan: BenchmarkPlan) -> TorchComparisons:
    """Time training steps on one batch of noise in float32, each side in turn.

    Args:
        plan: of a training; its cohort need not be there. Its `repeats` are turns of each side.

    Raises:
        LungSspError: the configuration is invalid, PyTorch is missing, or a side ended.
    """
    task_type, config = read_training(plan.config, plan.overrides)
    if importlib.util.find_spec("torch") is None:
        raise EnvironmentProblem("PyTorch is missing: pip install -c constraints.txt -r benchmarks/requirements.txt.")
    runtime.require_libraries()
    runtime.choose_device(plan.device)
    if plan.device == "gpu":
        import torch

        if not torch.cuda.is_available():
            raise EnvironmentProblem("PyTorch sees no GPU: install a build of PyTorch for CUDA, or use --device cpu.")
    cases = make_cases(plan, config.settings, task_type.benchmark_cases(config.settings))
    compared = [compare_case(case, plan) for case in cases]
    return TorchComparisons(runtime.environment(), runtime.package_version("torch") or "", compared)


def compare_case(case: Case, plan: BenchmarkPlan) -> TorchComparison:
    """One case of what `compare_with_torch` returns."""
    own = [*plan.overrides, *case.overrides()]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        paths = []
        for name, overrides in (("learning", [*own, *without_dropout(own, plan)]), ("timed", own)):
            (Path(folder) / name).mkdir()
            tree = read_training(plan.config, overrides)[1].tree
            paths.append(write_config(Request(case, tree, plan.device, 0, plan.steps), Path(folder) / name))
        sides = {name: stack.enter_context(Side(name, plan.device, *paths)) for name in (PADDLE, TORCH, TORCH_KEEPING)}
        turns: dict[str, list[Turn]] = {name: [] for name in sides}
        for _ in range(plan.repeats):
            for name, side in sides.items():
                turns[name].append(side.turn(plan.steps))
                time.sleep(PAUSE_SECONDS)
        difference = np.abs(np.subtract(sides[PADDLE].losses, sides[TORCH].losses)).max()
    return TorchComparison(
        case=case.name.removesuffix(f" {PADDLE}"),
        milliseconds={name: round(median(turn.wall_ms for turn in own), 1) for name, own in turns.items()},
        to_torch=ratios(turns[PADDLE], turns[TORCH]),
        to_torch_keeping_blocks=ratios(turns[PADDLE], turns[TORCH_KEEPING]),
        loss_difference=float(difference),
    )


def without_dropout(overrides: Sequence[str], plan: BenchmarkPlan) -> list[str]:
    """The override that turns dropout off, where the network has it: each engine draws its own."""
    model = read_training(plan.config, overrides)[1].tree["model"]
    return ["model.keep_probability=1.0"] if "keep_probability" in model else []


def ratios(ours: Sequence[Turn], theirs: Sequence[Turn]) -> Ratios:
    """Our times by theirs, repeat by repeat."""
    pairs = list(zip(ours, theirs, strict=True))
    wall = [round(own.wall_ms / other.wall_ms, 3) for own, other in pairs]
    cpu = [round(own.cpu_ms / other.cpu_ms, 3) for own, other in pairs]
    return Ratios(median(wall), median(cpu), wall)


class Side:
    """A process that trains when it is told to; `losses` are those of its first steps without dropout."""

    def __init__(self, name: str, device: str, learning: Path, timed: Path) -> None:
        command = [sys.executable, str(SIDE), name, device, str(learning), str(timed)]
        self.name = name
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed in __exit__)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )
        self.losses: list[float] = self._answer()

    def __enter__(self) -> "Side":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate()  # closes its input, which ends it
        self.errors.close()

    def turn(self, steps: int) -> Turn:
        """Have it make `steps` steps."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return Turn(**self._answer())

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.errors.seek(0)
            raise LungSspError(f"The side {self.name} ended: {reason_of_end(code, self.errors.read())}")
        return json.loads(line)


def main() -> int:
    """Compare what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML configuration of a training")
    parser.add_argument("-o", dest="override", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    parser.add_argument(
        "--sharing", nargs="+", choices=get_args(SharingMode), default=[], metavar="MODE", help="sharing modes"
    )
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to compute (cpu)")
    parser.add_argument("--repeats", type=positive, default=5, metavar="N", help="turns of each side (5)")
    parser.add_argument("--steps", type=positive, default=5, metavar="N", help="steps of a turn (5)")
    arguments = parser.parse_args()
    plan = BenchmarkPlan(
        phase="training",
        config=arguments.config,
        overrides=arguments.override,
        device=arguments.device,
        sharing=arguments.sharing,
        amp=["O0"],
        repeats=arguments.repeats,
        steps=arguments.steps,
    )
    return run(lambda: compare_with_torch(plan))


if __name__ == "__main__":
    sys.exit(main())
