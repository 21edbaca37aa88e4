"""Numbers that are no longer finite (NaN, infinity) end what computes with them, before they reach a file or a memory.

A training can lose its numbers while its loss looks well: Paddle's ReLU and its max-pooling give ordinary numbers for
NaN. So the activations that are pooled, the loss, the gradients and what is saved are each looked at by themselves.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lung_ssp.errors import TrainingError

if TYPE_CHECKING:
    import paddle


class NotFinite(TrainingError):
    """Something computed is NaN or infinite; the training loop adds the step.

    Args:
        what: the beginning of a sentence, e.g. "The loss is nan".
    """

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: the network's weights are too large, or its input is damaged. Train it again with a lower "
            "lr_scheduler.learning_rate."
        )
        self.what = what

    def at_step(self, step: int) -> TrainingError:
        """The same, for the user whose training has come to a step."""
        return TrainingError(
            f"{self.what} at step {step}: train again with a lower lr_scheduler.learning_rate. The checkpoints of "
            "earlier steps are as they were."
        )


def check_loss(loss: float) -> None:
    """Refuse a loss that is NaN or infinite, with NotFinite."""
    if not np.isfinite(loss):
        raise NotFinite(f"The loss is {loss}")


def check_gradients(network: "paddle.nn.Layer") -> None:
    """Refuse gradients from which Adam cannot compute: their squares, which it sums up, must be finite.

    Raises:
        NotFinite: naming the first parameter.
    """
    import paddle
    from paddle.nn.clip import _squared_l2_norm

    named = [(name, value.grad) for name, value in network.named_parameters() if value.grad is not None]
    squares = paddle.concat([_squared_l2_norm(gradient).reshape([1]) for _, gradient in named]).numpy()
    if not np.isfinite(squares).all():
        name = named[int(np.flatnonzero(~np.isfinite(squares))[0])][0]
        raise NotFinite(f"The gradient of {name} is not finite")


def check_outputs(outputs: np.ndarray) -> None:
    """Refuse a network's outputs (any shape) that are NaN or infinite, with NotFinite: they would count as a class."""
    if not np.isfinite(outputs).all():
        raise NotFinite("The network's output is not finite")


def first_not_finite(arrays: Mapping[str, np.ndarray]) -> str | None:
    """The name of the first array that holds NaN or infinity; None where all numbers are finite."""
    floats = ((name, array) for name, array in arrays.items() if array.dtype.kind == "f")
    return next((name for name, array in floats if not np.isfinite(array).all()), None)
