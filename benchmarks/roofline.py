"""How fast a training step could be on a device at best, on paper (Williams et al., Roofline, CACM 2009).

Each operator takes at least the time of its floating point operations at the device's peak, and that of its bytes
through the device's memory; the operators follow one another. Launching them, and waiting for the host, come on top.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from command import run
from lung_ssp.benchmark.counting import Cost, Operator, operators, step_costs, trainable
from lung_ssp.benchmark.text import aligned
from lung_ssp.config import load_config
from lung_ssp.errors import ConfigError
from lung_ssp.settings import Settings
from lung_ssp.tasks import read_training

ALWAYS_FLOAT32 = ("Adam", "L2 penalty")  # in mixed precision too: the weights or their masters are float32


class DeviceSettings(Settings):
    """What a device can do at most, from its maker's data sheet: for lower bounds on paper where it is not at hand."""

    task: Literal["device"] = Field(description="what this file describes")
    name: str = Field(description="the device")
    source: str = Field(description="where the figures are from")
    float32_tflops: float = Field(gt=0, description="1e12 floating point operations a second, in float32")
    float16_tflops: float = Field(gt=0, description="the same of its float16 matrix units")
    gigabytes_per_second: float = Field(gt=0, description="bandwidth of its memory")


@dataclass(frozen=True)
class CountedStep:
    """A configuration's training step: the operators of its forward pass, and its parts.

    parameters, tensors: trained numbers, and the tensors that hold them.
    """

    parameters: int
    tensors: int
    operators: list[Operator]
    costs: list[Cost]


@dataclass(frozen=True)
class StepBound:
    """A configuration's training step: what it computes and moves in float32, and its least time in milliseconds."""

    config: str | Path
    parameters: int
    flops: int
    bytes: int
    float32_ms: float
    mixed_ms: float


@dataclass(frozen=True)
class Roofline:
    """The lower bounds of training steps on one device."""

    device: DeviceSettings
    steps: list[StepBound]


def roofline(configs: Sequence[str | Path], device_file: str | Path) -> Roofline:
    """The lower bounds of the configurations' training steps on a device, in float32 and mixed precision.

    Raises:
        ConfigError: a file is invalid, or a network has two inputs.
    """
    device = load_config(device_file, DeviceSettings).settings
    return Roofline(device, [step_bound(path, device) for path in configs])


def step_bound(config: str | Path, device: DeviceSettings) -> StepBound:
    """One configuration's training step; raises as `roofline` does."""
    step = count_step(config)
    return StepBound(
        config=config,
        parameters=step.parameters,
        flops=sum(cost.flops for cost in step.costs),
        bytes=sum(4 * cost.elements for cost in step.costs),
        float32_ms=lower_bound_ms(step.costs, device, mixed=False),
        mixed_ms=lower_bound_ms(step.costs, device, mixed=True),
    )


def count_step(config: str | Path) -> CountedStep:
    """The operators and parts of one configuration's training step; raises as `roofline` does."""
    task_type, found = read_training(config)
    cases = task_type.benchmark_cases(found.settings)
    if cases.two_inputs:
        raise ConfigError(f"{config}: a network of two inputs is not counted: name one of a TwoTaskClassifier.")
    network = task_type.build_network(found)
    graph = operators(network, cases.input_shape)
    tensors = sum(not parameter.stop_gradient for parameter in network.parameters())
    return CountedStep(trainable(network), tensors, graph, step_costs(network, graph))


def lower_bound_ms(costs: Sequence[Cost], device: DeviceSettings, mixed: bool) -> float:
    """The least time of a step in milliseconds; `mixed`: activations and their products in float16."""
    flops_per_ms = (device.float16_tflops if mixed else device.float32_tflops) * 1e9
    bytes_per_ms = device.gigabytes_per_second * 1e6
    total = 0.0
    for cost in costs:
        size = 2 if mixed and cost.name not in ALWAYS_FLOAT32 else 4
        total += max(cost.flops / flops_per_ms, cost.elements * size / bytes_per_ms)
    return total


def roofline_text(found: Roofline) -> str:
    """The device, and a row for each configuration."""
    device = found.device
    rows = [
        {
            "parameters": f"{one.parameters:,d}",
            "GFLOP": f"{one.flops / 1e9:.1f}",
            "GB": f"{one.bytes / 1e9:.2f}",
            "float32": f"{one.float32_ms:.2f} ms",
            "mixed": f"{one.mixed_ms:.2f} ms",
        }
        for one in found.steps
    ]
    return "\n".join(
        [
            f"{device.name}: {device.float32_tflops:g} TFLOP/s in float32, {device.float16_tflops:g} in float16, "
            f"{device.gigabytes_per_second:g} GB/s ({device.source})",
            *aligned("a training step of", [str(one.config) for one in found.steps], rows),
        ]
    )


def main(words: Sequence[str] | None = None) -> int:
    """Compute what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", required=True, metavar="FILE", help="YAML description of a device")
    parser.add_argument("--config", required=True, nargs="+", metavar="FILE", help="YAML configurations of trainings")
    arguments = parser.parse_args(words)
    return run(lambda: roofline(arguments.config, arguments.on), roofline_text)


if __name__ == "__main__":
    sys.exit(main())
