"""An exception in a backward pass is the one that was raised there."""

from threading import BrokenBarrierError
from typing import Any

import paddle
import pytest

from lung_ssp.interruption import Terminated
from lung_ssp.training.backward import backward


def loss_raising(error: BaseException) -> paddle.Tensor:
    class Layer(paddle.autograd.PyLayer):
        @staticmethod
        def forward(ctx: Any, x: paddle.Tensor) -> paddle.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
            raise error

    x = paddle.ones([2])
    x.stop_gradient = False
    return Layer.apply(x).sum()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Terminated(), MemoryError(), BrokenBarrierError()])
def test_what_ends_a_program_or_a_thread_is_raised_as_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)):
        backward(loss_raising(error))


def test_any_other_exception_stays_paddles() -> None:
    with pytest.raises(OSError, match="ValueError: something else"):
        backward(loss_raising(ValueError("something else")))


def test_gradients_are_computed() -> None:
    x = paddle.to_tensor([3.0], stop_gradient=False)
    backward((x * x).sum())
    assert x.grad.tolist() == [6.0]
