"""What a benchmark needs from a task beside its training (training/task.py)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import paddle

from lung_ssp.training.onnx import ExportedNetwork


class BenchmarkCases(Protocol):
    """How the network of one configuration is fed and used.

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
