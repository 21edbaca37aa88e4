"""What a configuration file describes, built by the product's own builders and ready to be timed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from lung_ssp.benchmark.counting import count, trainable
from lung_ssp.tasks import read_training


@dataclass(frozen=True)
class Subject:
    """A task with its seeded network and what trains it; `settings` are those of the task."""

    settings: Any
    task: Any
    optimizer: paddle.optimizer.Optimizer
    scheduler: paddle.optimizer.lr.LRScheduler


def build_subject(path: Path) -> Subject:
    """The subject of a configuration file.

    Raises:
        LungSspError: the configuration or its cohort is at fault.
    """
    task, config = read_training(path)
    training = task.build(config)
    return Subject(config.settings, training.task, training.optimizer, training.scheduler)


def count_network(path: Path, inputs: Sequence[np.ndarray]) -> dict[str, int]:
    """What counting.py counts of a configuration's network on a batch; of one with two inputs only the parameters.

    How much a network of two inputs computes depends on how many of the sections have a slide. The network is one of
    its own: that of a case under O2 is float16, which is not what is counted.
    """
    task, config = read_training(path)
    network = task.build_network(config)
    if len(inputs) > 1:
        return {"parameters": trainable(network)}
    return asdict(count(network, inputs))
