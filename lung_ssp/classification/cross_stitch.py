"""Cross-stitch units: the learnable linear combination of two tasks' activations.

Misra et al., Cross-stitch Networks for Multi-task Learning, CVPR 2016 (arXiv 1604.03539):
a' = alpha_AA a + alpha_AB b and b' = alpha_BA a + alpha_BB b.
"""

import math
from collections.abc import Sequence

import numpy as np
import paddle
from numpy.typing import ArrayLike
from paddle import nn
from paddle.nn import functional

from lung_ssp.training.cpu_kernels import scaled_by

SHARPNESS = 20.0  # of softplus: 0.1 above the bound an alpha moves 0.86 as fast as its parameter, 0.2 above it 0.98


def alpha_parameter(layer: nn.Layer, values: np.ndarray, learning_rate_multiple: float) -> paddle.Tensor:
    """A trainable parameter of `layer` with the given initial values and its own learning-rate multiple."""
    initial = nn.initializer.Assign(values.astype("float32"))
    attr = paddle.ParamAttr(initializer=initial, learning_rate=learning_rate_multiple)
    return layer.create_parameter(shape=list(values.shape), attr=attr)


class CrossStitch(nn.Layer):
    """One unit with a 2x2 of alphas for the whole layer or for each channel.

    `alphas` has the shape (2, 2) or (2, 2, channels): alphas[i, j] is what task i takes from task j.

    Args:
        initial: (2, 2) initial alphas, rows summing to 1.
        channels: number of channels for alphas per channel, None for one 2x2.
        learning_rate_multiple: times the scheduled learning rate.
    """

    def __init__(self, initial: ArrayLike, channels: int | None = None, learning_rate_multiple: float = 1.0) -> None:
        super().__init__()
        values = np.asarray(initial, dtype=np.float32)
        if channels is not None:
            values = np.repeat(values[:, :, None], channels, axis=2)
        self.alphas = alpha_parameter(self, values, learning_rate_multiple)

    def forward(self, a: paddle.Tensor, b: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Combine two activations of one shape, (n, channels) or (n, channels, height, width)."""
        return combined(self.alphas, a, b)


class BoundedCrossStitch(nn.Layer):
    """A unit that cannot become two single tasks: each task takes more than `least` from the other.

    `alphas` is as in `CrossStitch`, made from the parameter `free` of its shape: on the diagonal they are equal, off it
    alpha = least + softplus(free), which is nearly `free` above 0 and never falls to `least`.

    Args:
        initial, channels, learning_rate_multiple: as in `CrossStitch`; `initial` off the diagonal above `least`.
        least: bound of the alphas off the diagonal.
    """

    def __init__(self, initial: ArrayLike, channels: int | None, learning_rate_multiple: float, least: float) -> None:
        super().__init__()
        values = np.array(initial, dtype=np.float64)
        for i, j in ((0, 1), (1, 0)):
            values[i, j] = np.log(np.expm1(SHARPNESS * (values[i, j] - least))) / SHARPNESS
        if channels is not None:
            values = np.repeat(values[:, :, None], channels, axis=2)
        self.least = least
        self.free = alpha_parameter(self, values, learning_rate_multiple)

    @property
    def alphas(self) -> paddle.Tensor:
        """The alphas, of the shape of `free`."""
        diagonal = paddle.eye(2).reshape([2, 2] + [1] * (self.free.ndim - 2))
        bounded = self.least + functional.softplus(self.free, beta=SHARPNESS)
        return diagonal * self.free + (1 - diagonal) * bounded

    def forward(self, a: paddle.Tensor, b: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Combine two activations of one shape, (n, channels) or (n, channels, height, width)."""
        return combined(self.alphas, a, b)


def combined(alphas: paddle.Tensor, a: paddle.Tensor, b: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Two activations combined by alphas (2, 2) or (2, 2, channels)."""
    rows = []
    for row in paddle.unbind(alphas):
        from_a, from_b = paddle.unbind(row)
        rows.append(scaled_by(from_a, a) + scaled_by(from_b, b))
    return rows[0], rows[1]


class DenseCrossStitch(nn.Layer):
    """One unit as a dense matrix over both tasks' flattened activations, as the paper's protocol has it.

    `alphas` has the shape (2 features, 2 features): row i of the flattened pair (a, b) goes to column j.

    Args:
        initial: (2, 2) initial alphas, rows summing to 1; feature k of one task starts out seeing only feature k.
        shape: shape of one task's activation without the batch axis.
        learning_rate_multiple: times the scheduled learning rate.
    """

    def __init__(self, initial: ArrayLike, shape: Sequence[int], learning_rate_multiple: float = 1.0) -> None:
        super().__init__()
        features = math.prod(shape)
        values = np.kron(np.asarray(initial, dtype=np.float32).T, np.eye(features, dtype=np.float32))
        self.alphas = alpha_parameter(self, values, learning_rate_multiple)

    def forward(self, a: paddle.Tensor, b: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Combine two activations of one shape, (n, ...)."""
        together = paddle.concat([a.flatten(1), b.flatten(1)], axis=1) @ self.alphas
        new_a, new_b = paddle.split(together, 2, axis=1)
        return new_a.reshape(a.shape), new_b.reshape(b.shape)


def mean_alphas(alphas: np.ndarray) -> np.ndarray:
    """The 2x2 of mean alphas of a unit, whatever its granularity: entry (i, j) is what task i takes from task j.

    Of a dense matrix, the mean over the diagonals that join the same feature of both tasks.
    """
    if alphas.ndim == 2 and alphas.shape[0] > 2:
        features = alphas.shape[0] // 2
        blocks = alphas.reshape(2, features, 2, features)
        return np.array([[np.mean(np.diagonal(blocks[j, :, i, :])) for j in range(2)] for i in range(2)])
    return alphas.reshape(2, 2, -1).mean(axis=2)
