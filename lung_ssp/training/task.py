"""What the loop is handed: a task knows its network, data and measures; the loop knows none of them."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import paddle


class Task(Protocol):
    """A network with its training data and the ways to measure it."""

    network: paddle.nn.Layer
    size: int  # training samples

    @property
    def score_name(self) -> str:
        """The validation score that chooses the best checkpoint; higher is better."""

    @property
    def log_name(self) -> str:
        """The log's file in the run folder."""

    @property
    def log_columns(self) -> tuple[str, ...]:
        """The log's columns: global_step_value, epoch, loss_total_value, then the keys of `log_values`."""

    def load(self, indices: np.ndarray, rng: np.random.Generator) -> Any:
        """The batch of the training samples `indices`, in the host's memory; `rng` is for augmentation.

        Threads may call it at the same time, so it changes nothing and leaves Paddle alone.
        """

    def losses(self, batch: Any) -> dict[str, paddle.Tensor]:
        """The losses of a batch, network in training mode: "total" is minimised, the others are logged."""

    def log_values(self, batch: Any) -> dict[str, float]:
        """Measures for the log, after the update of that batch, network in evaluation mode."""

    def validate(self) -> dict[str, float]:
        """Measures on the validation samples, network in evaluation mode; `score_name` is among them."""

    def scalars(self) -> dict[str, float]:
        """Further scalars of the network's state, e.g. the alphas; may be empty."""

    def histograms(self) -> dict[str, np.ndarray]:
        """Arrays whose distribution is logged; may be empty."""

    def images(self) -> dict[str, np.ndarray]:
        """Pictures of training samples with their labels, uint8 (height, width, 3)."""


@dataclass(frozen=True)
class Training:
    """What a task's builder returns: all that is trained.

    steps: of the whole training.
    """

    task: Task
    optimizer: paddle.optimizer.Optimizer
    scheduler: paddle.optimizer.lr.LRScheduler
    steps: int
