"""A training step as a GPU runs it, on a CPU: the same operators, without those that only a CPU is given."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from paddle.profiler import Profiler, ProfilerTarget

from lung_ssp.benchmark.cases import BenchmarkPlan
from lung_ssp.benchmark.measure import Request, write_config
from lung_ssp.benchmark.run import make_cases
from lung_ssp.benchmark.steps import build_subject, open_steps
from lung_ssp.classification.dataset import fits_on_device
from lung_ssp.tasks import read_training
from lung_ssp.training.cpu_kernels import on_cpu
from lung_ssp.training.team import team_size

REPLACED = {on_cpu: lambda x: False, fits_on_device: lambda dataset: True, team_size: lambda settings: 1}
KERNEL = " compute"  # ends the name of the profiler's event of a kernel
UNTIMED = 3  # steps before the first one that counts

Step = Callable[[], object]


@dataclass(frozen=True)
class Call:
    """An operator that a step called, and the seconds that its kernel took on this CPU."""

    name: str
    seconds: float


@contextlib.contextmanager
def gpu_form() -> Iterator[None]:
    """While this is open, the package builds and trains as on a GPU.

    Wherever the package asks whether it computes on a CPU, the answer is no: plain convolutions and alphas, no look at
    the loss and the gradients, no team of threads. Sections are gathered from one tensor.
    """
    package = [module for name, module in sorted(sys.modules.items()) if name.split(".")[0] == "lung_ssp"]
    with contextlib.ExitStack() as stack:
        for original, replacement in REPLACED.items():
            name = original.__name__
            for module in package:
                if vars(module).get(name) is original:
                    stack.enter_context(patch.object(module, name, replacement))
        yield


@contextlib.contextmanager
def open_step(config: str | Path, overrides: Sequence[str] = ()) -> Iterator[Step]:
    """One training step of a configuration in float32, on noise, as a GPU runs it; to be called while this is open.

    Raises:
        ConfigError: the configuration or an override is invalid.
    """
    task_type, found = read_training(config, [*overrides, "compute.amp_level=O0"])
    plan = BenchmarkPlan(phase="training", config=config)
    case = make_cases(plan, found.settings, task_type.benchmark_cases(found.settings))[0]
    with tempfile.TemporaryDirectory() as folder, gpu_form():
        subject = build_subject(write_config(Request(case, found.tree, "cpu", 0, 1), Path(folder)))
        with open_steps(case, subject) as (batches, update):

            def step() -> object:
                return update(next(batches))

            for _ in range(UNTIMED):
                step()
            yield step


def profiled(step: Step) -> list[Call]:
    """The operators that one step calls, by Paddle's profiler."""
    profiler = Profiler(targets=[ProfilerTarget.CPU], on_trace_ready=lambda _: None)
    with profiler:
        step()
    return [call for root in profiler.profiler_result.get_data().values() for call in calls_below(root)]


def calls_below(event: Any) -> Iterator[Call]:
    """The operators among an event of the profiler and all that happened during it."""
    if event.name.endswith(KERNEL):
        yield Call(event.name.removesuffix(KERNEL), (event.end_ns - event.start_ns) / 1e9)
    for inner in event.children_node:
        yield from calls_below(inner)
