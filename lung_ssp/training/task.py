"""What a task offers to the loop, which trains it, and to a benchmark, which measures its speed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import paddle

from lung_ssp.training.onnx import ExportedNetwork


class Task(Protocol):
    """A network with its data, losses and measures.

    `log_values` and `validate` measure in evaluation mode and leave the network in training mode.
    """

    network: paddle.nn.Layer
    size: int  # training samples

    @property
    def score_name(self) -> str:
        """The validation score that chooses the best checkpoint; higher is better."""

    @property
    def log_name(self) -> str:
        """The name of the log, a CSV file in the run's folder."""

    @property
    def log_columns(self) -> tuple[str, ...]:
        """The columns of the log: global_step_value, epoch, loss_total_value, then the keys of `log_values`."""

    def load(self, indices: np.ndarray, rng: np.random.Generator) -> Any:
        """The batch of the training samples `indices`, in host memory; `rng` is for augmentation.

        A batch has a method `shard()`, by which the threads of a team divide it (training/update.py).

        Several threads may call it at the same time, so it has no side effects and does not call Paddle.
        """

    def losses(self, batch: Any) -> dict[str, paddle.Tensor]:
        """The losses of a batch in training mode: "total" is minimised, the others are logged.

        The threads of a team call it at the same time, each on a copy of the task with a network of its own: it does
        not change the task, and draws random numbers through training/dropout.py alone.
        """

    def log_values(self, batch: Any, validation: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Measures for the log, after the update with that batch.

        Args:
            validation: returns the result of `validate` for the present weights; computed once, even if the loop
                needs it too.
        """

    def validate(self) -> dict[str, float]:
        """Measures on the validation samples; `score_name` is among them."""

    def scalars(self) -> dict[str, float]:
        """Further scalars of the network's state, e.g. the alphas; may be empty."""

    def histograms(self) -> dict[str, np.ndarray]:
        """Arrays whose distributions are logged; may be empty."""

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


class BenchmarkCases(Protocol):
    """How a benchmark feeds and uses the network of one configuration.

    sharing: the configuration's sharing mode; "" for a network that shares nothing.
    two_inputs: whether the network has a second input: it is neither counted nor exported.
    inference_batch_size: images of a full batch in inference.
    input_shape: of the images in a training step, (n, channels, height, width).
    sizes_vary: whether an exported network takes images of any height and width.
    """

    @property
    def sharing(self) -> str: ...
    @property
    def two_inputs(self) -> bool: ...
    @property
    def inference_batch_size(self) -> int: ...
    @property
    def input_shape(self) -> tuple[int, int, int, int]: ...
    @property
    def sizes_vary(self) -> bool: ...

    def write_noise(self, root: Path, rng: np.random.Generator) -> None:
        """Write noise into a cohort's folder, in each split just enough for one batch."""

    def inference_inputs(self, task: Any, count: int) -> Iterator[list[np.ndarray]]:
        """Without end, the network's inputs for `count` images, without augmentation."""

    def predict(self, network: paddle.nn.Layer, inputs: list[np.ndarray]) -> np.ndarray:
        """Inference from arrays to array as the product does it; network in evaluation mode."""

    def predict_exported(self, network: ExportedNetwork, images: np.ndarray) -> np.ndarray:
        """The same in ONNX Runtime."""
