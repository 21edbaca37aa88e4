"""What a training step asks of a GPU's host: the operators it calls, the kernels they launch, and the time that takes.

Measured on a CPU, on the step as a GPU runs it (gpu_step.py). The time is that of a network so small that its kernels
have almost nothing to compute: what is left is Python and Paddle's dispatch, which a GPU's host spends as well. Beside
it stands the least time of the GPU itself (roofline.py).
"""

import argparse
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from command import positive, run
from gpu_step import Step, open_step, profiled
from lung_ssp.benchmark.counting import Cost, Operator
from lung_ssp.benchmark.text import aligned
from lung_ssp.config import load_config
from lung_ssp.tasks import read_training
from roofline import DeviceSettings, count_step, lower_bound_ms

BATCHES = (2, 4)  # images of a small step: what grows with them is no part of the host's time
SMALL = {
    "classification": ("model.image_size=8", "model.conv_channels=[1,1]", "model.fully_connected=1"),
    "segmentation": ("train_dataset.patch_size=16", "model.width=1", "model.growth_rate=1"),
}
VIEWS = frozenset(  # the same memory in another shape, by strided kernels of Paddle 2.6, which launch nothing
    [
        *("reshape", "reshape_grad", "flatten", "flatten_grad", "squeeze", "squeeze_grad", "unsqueeze"),
        *("unsqueeze_grad", "transpose", "transpose_grad", "unbind", "slice"),
    ]
)
EAGER_NAMES = {  # of the operators that the static graph calls otherwise
    "elementwise_add": "add",
    "elementwise_sub": "subtract",
    "elementwise_mul": "multiply",
    "elementwise_div": "divide",
    "matmul_v2": "matmul",
    "split": "split_with_num",
    "split backward": "concat",
    "Adam": "merged_adam_",
}
BACKWARD = " backward"  # ends the name of a Cost


@dataclass(frozen=True)
class OperatorCalls:
    """One operator of a step: how often it is called, the kernels it launches on a GPU at least, the bytes it moves.

    bytes: in float32, of the network, the L2 penalty and Adam; those of the losses are not counted.
    """

    name: str
    calls: int
    kernels: int
    bytes: int


@dataclass(frozen=True)
class HostTime:
    """The milliseconds of a step that has almost nothing to compute.

    images: of its batch.
    step_ms: of the fastest repeat.
    kernels_ms: what the CPU's kernels take of it, by the profiler; of the fastest repeat.
    """

    images: int
    step_ms: float
    kernels_ms: float

    @property
    def outside_ms(self) -> float:
        """What Python and Paddle's dispatch take."""
        return self.step_ms - self.kernels_ms


@dataclass(frozen=True)
class StepLaunches:
    """What a configuration's training step asks of the host, beside the least time of the device in milliseconds."""

    config: str | Path
    operators: list[OperatorCalls]
    host: list[HostTime]
    device_ms: float

    @property
    def calls(self) -> int:
        """The operators that the host calls."""
        return sum(one.calls for one in self.operators)

    @property
    def kernels(self) -> int:
        """The kernels they launch on a GPU, at least."""
        return sum(one.kernels for one in self.operators)

    @property
    def host_ms(self) -> tuple[float, float]:
        """The host's least time, what is spent outside the kernels; and the whole step, which is its time if launching
        a kernel takes as long as an empty one of this CPU."""
        return min(one.outside_ms for one in self.host), min(one.step_ms for one in self.host)

    @property
    def bound(self) -> str:
        """Whose least time is the longer: "host", "device", or "either" where it depends on what a launch takes.

        Neither says how much longer than its least time the device takes in fact.
        """
        least, whole = self.host_ms
        if least > self.device_ms:
            return "host"
        return "device" if whole < self.device_ms else "either"


@dataclass(frozen=True)
class Launches:
    """The steps of some configurations beside one device."""

    device: DeviceSettings
    steps: list[StepLaunches]


def launches(configs: Sequence[str | Path], device_file: str | Path, steps: int, repeats: int) -> Launches:
    """What the training steps of the configurations ask of the host.

    Args:
        steps: timed steps of a repeat.

    Raises:
        ConfigError: a file is invalid, or a network has two inputs.
    """
    device = load_config(device_file, DeviceSettings).settings
    return Launches(device, [step_launches(path, device, steps, repeats) for path in configs])


def step_launches(config: str | Path, device: DeviceSettings, steps: int, repeats: int) -> StepLaunches:
    """One configuration's training step; raises as `launches` does."""
    counted = count_step(config)
    small = small_overrides(read_training(config)[1].tree)
    with contextlib.ExitStack() as stack:
        opened = {
            images: stack.enter_context(open_step(config, [*small, f"batch_size={images}"])) for images in BATCHES
        }
        names = [call.name for call in profiled(opened[BATCHES[0]])]
        calls = count_calls(names, counted.operators, counted.costs, counted.tensors)
        device_ms = lower_bound_ms(counted.costs, device, mixed=False)
        return StepLaunches(config, calls, host_times(opened, steps, repeats), device_ms)


def small_overrides(tree: dict[str, dict[str, object]]) -> list[str]:
    """What makes the network of a configuration's tree small, and leaves its operators as they are."""
    words = SMALL[str(tree["task"])]
    parts = [word.split("=")[0].split(".") for word in words]
    return [word for word, (section, key) in zip(words, parts, strict=True) if key in tree[section]]


def count_calls(
    names: Sequence[str], graph: Sequence[Operator], costs: Sequence[Cost], tensors: int
) -> list[OperatorCalls]:
    """The operators of a step, those that are called most first, then what is counted in bytes alone.

    Each launches a kernel, but: views launch none; the gradient of a product is one kernel for each input that needs
    it; Adam updates each tensor by a kernel of its own (phi/kernels/gpu/adam_kernel.cu).

    Args:
        names: of the operators that a step calls.
        graph: the operators of its forward pass.
        costs: its parts.
        tensors: that Adam updates.
    """
    moved: Counter[str] = Counter()
    for cost in costs:
        moved[eager_name(cost.name)] += 4 * cost.elements
    kernels = Counter({"merged_adam_": tensors})
    for operator in graph:
        if operator.flops:
            kernels[eager_name(operator.name + BACKWARD)] += operator.gradients
    rows = []
    for name, calls in Counter(names).most_common():
        rows.append(OperatorCalls(name, calls, kernels.get(name, 0 if name in VIEWS else calls), moved.pop(name, 0)))
    return rows + [OperatorCalls(name, 0, 0, size) for name, size in moved.items()]


def eager_name(name: str) -> str:
    """The name in eager mode of a part of the step."""
    if name in EAGER_NAMES:
        return EAGER_NAMES[name]
    forward = name.removesuffix(BACKWARD)
    return EAGER_NAMES.get(forward, forward) + ("_grad" if name.endswith(BACKWARD) else "")


def host_times(small: dict[int, Step], steps: int, repeats: int) -> list[HostTime]:
    """The times of steps with different numbers of images, which take turns."""
    step_ms: dict[int, list[float]] = {images: [] for images in small}
    kernels_ms: dict[int, list[float]] = {images: [] for images in small}
    for _ in range(repeats):
        for images, step in small.items():
            begin = time.perf_counter()
            for _ in range(steps):
                step()
            step_ms[images].append((time.perf_counter() - begin) / steps * 1e3)
            kernels_ms[images].append(sum(call.seconds for call in profiled(step)) * 1e3)
    return [HostTime(images, min(step_ms[images]), min(kernels_ms[images])) for images in small]


def launches_text(found: Launches) -> str:
    """A row for each configuration with its least times (x: host by device), then a table of operators for each."""
    rows = []
    for one in found.steps:
        least, whole = one.host_ms
        row = {"operators": str(one.calls), "kernels": str(one.kernels)}
        for host in one.host:
            row[f"{host.images} images: outside kernels"] = f"{host.outside_ms:.2f} ms"
        row |= {
            "host": f"{least:.2f} to {whole:.2f} ms",
            "an operator": f"{least / one.calls * 1e3:.1f} us",
            "device": f"{one.device_ms:.2f} ms",
            "longer": f"{one.bound} ({least / one.device_ms:.2g}x)",
        }
        rows.append(row)
    parts = ["\n".join(aligned("a training step of", [str(one.config) for one in found.steps], rows))]
    for one in found.steps:
        table = [
            {"calls": str(row.calls), "kernels": str(row.kernels), "MB": f"{row.bytes / 1e6:.1f}"}
            for row in one.operators
        ]
        parts.append("\n".join(aligned(str(one.config), [row.name for row in one.operators], table)))
    return "\n\n".join([f"beside {found.device.name}", *parts])


def main(words: Sequence[str] | None = None) -> int:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", required=True, metavar="FILE", help="YAML description of a device")
    parser.add_argument("--config", required=True, nargs="+", metavar="FILE", help="YAML configurations of trainings")
    parser.add_argument("--steps", type=positive, default=50, metavar="N", help="timed steps of a repeat (50)")
    parser.add_argument("--repeats", type=positive, default=5, metavar="N", help="how often each is measured (5)")
    arguments = parser.parse_args(words)
    return run(lambda: launches(arguments.config, arguments.on, arguments.steps, arguments.repeats), launches_text)


if __name__ == "__main__":
    sys.exit(main())
