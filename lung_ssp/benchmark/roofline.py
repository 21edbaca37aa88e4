"""How fast a training step could be on a device at best, on paper (Williams et al., Roofline, CACM 2009).

Each part of a step takes at least the time of its products at the device's peak, and that of its numbers through the
device's memory; the parts follow one another. Launching them, and waiting for the host, come on top.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from lung_ssp.benchmark.counting import Work, operators, step_of, trainable
from lung_ssp.benchmark.settings import DeviceSettings
from lung_ssp.config import load_config
from lung_ssp.errors import ConfigError
from lung_ssp.tasks import read_training

LEARNT_IN_FULL = ("Adam", "L2 penalty")  # counted in float32 whatever the rest is in: the weights are, or their masters


@dataclass(frozen=True)
class Floor:
    """The least time of a training step, in milliseconds.

    products, memory: if the other cost nothing.
    """

    products: float
    memory: float
    together: float


def roofline(configs: Sequence[Path], device_file: Path) -> str:
    """A table with the floors of the configurations' training steps on a device, in float32 and mixed precision.

    Raises:
        ConfigError: a file is at fault, or the network has two inputs.
    """
    device = load_config(device_file, DeviceSettings).settings
    lines = [
        f"{device.name}: {device.float32_tflops:g} TFLOP/s in float32, {device.float16_tflops:g} in float16, "
        f"{device.gigabytes_per_second:g} GB/s ({device.source})",
        f"{'a training step of':44s}{'parameters':>12s}{'GFLOP':>8s}{'GB':>7s}{'float32':>11s}{'mixed':>9s}",
    ]
    for path in configs:
        network, batch = network_and_batch(path)
        work = step_of(network, operators(network, [batch]))
        full, mixed = (floor(work, device, half) for half in (False, True))
        lines.append(
            f"{str(path)[-43:]:44s}{trainable(network):12,d}{sum(w.flops for w in work) / 1e9:8.1f}"
            f"{sum(w.numbers for w in work) * 4 / 1e9:7.2f}{full.together:8.2f} ms{mixed.together:6.2f} ms"
        )
    return "\n".join(lines)


def floor(step: Sequence[Work], device: DeviceSettings, half: bool) -> Floor:
    """The least time of a step; `half`: products and activations in float16."""
    rate = (device.float16_tflops if half else device.float32_tflops) * 1e9
    speed = device.gigabytes_per_second * 1e6
    products = np.array([work.flops / rate for work in step])
    memory = np.array([work.numbers * (2 if half and work.name not in LEARNT_IN_FULL else 4) / speed for work in step])
    return Floor(float(products.sum()), float(memory.sum()), float(np.maximum(products, memory).sum()))


def network_and_batch(path: Path) -> tuple[paddle.nn.Layer, np.ndarray]:
    """The untrained network of a configuration, in training mode, and a batch of the size it trains on, all zeros."""
    task, config = read_training(path)
    settings: Any = config.settings
    if settings.task == "classification":
        if settings.model.takes_slides:
            raise ConfigError(
                f"{path} is of a network of two inputs, which is not counted: name one of a TwoTaskClassifier."
            )
        size = settings.model.image_size
        return task.build_network(config), np.zeros((settings.batch_size, 1, size, size), np.float32)
    size = settings.train_dataset.patch_size
    shape = (settings.batch_size, settings.model.in_channels, size, size)
    return task.build_network(config), np.zeros(shape, np.float32)
