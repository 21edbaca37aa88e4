"""What the processes of one data-parallel training do together; with one process, none of it does anything.

Each process holds the same weights and takes its part of every batch. The loss of a batch is a function of sums over
its samples, as is a batch normalisation. These sums run over all processes (`total`), so each process holds the whole
batch's loss L, not one of its own part. `total` is differentiated as what it is, part of a computation that spans the
processes, and Paddle's automatic differentiation starts with a gradient of 1 in each of the N processes: so what it
finds in process r is the part of the gradient of N L that went through the samples of r, and the mean over the
processes (`average_gradients`) is the gradient of L, as one process with the whole batch finds it. Where something is
computed alike in all processes, such as the penalty on the weights, the mean leaves it as it is.

Every process must call these functions in the same order.
"""

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import paddle
from paddle import distributed
from paddle.autograd import PyLayer
from paddle.base import core
from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients

from lung_ssp.errors import TrainingError
from lung_ssp.launch import end_with_the_parent

Items = TypeVar("Items", np.ndarray, list[Any])

SECONDS_TO_BE_ENDED = 20  # the launcher looks at its processes once a second

_waits = itertools.count()


def join() -> None:
    """Meet the other processes that Paddle's launcher has started, if it has: before the first of the functions below.

    They talk through NCCL on GPUs and through gloo on a CPU.
    """
    if "PADDLE_TRAINERS_NUM" in os.environ:
        end_with_the_parent()
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1:
        if not paddle.device.get_device().startswith("gpu"):
            os.environ["PADDLE_DISTRI_BACKEND"] = "gloo"  # a build for GPUs would look for one
        distributed.init_parallel_env()


@contextmanager
def ended_by_the_launcher() -> Iterator[None]:
    """Where another process does not answer, hold still until the launcher ends this one too.

    The launcher tells of the first process that has ended by itself: this must be the one that failed.
    """
    try:
        yield
    except (RuntimeError, OSError) as error:  # the latter is what Paddle makes of gloo's errors in some operations
        if "gloo" not in str(error):
            raise
        time.sleep(SECONDS_TO_BE_ENDED)
        raise TrainingError(
            "Another process of the training has not answered for half a minute: add --resume to go on from the last "
            "checkpoint."
        ) from error


def processes() -> int:
    """How many there are."""
    return int(distributed.get_world_size()) if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return int(distributed.get_rank()) if distributed.is_initialized() else 0


def is_first() -> bool:
    """Whether this is the process that writes the run's folder and talks to the user."""
    return rank() == 0


def wait_for_all() -> None:
    """Go on when every process has come here.

    Through the store in which they met: unlike gloo, which gives up after half a minute, it lets one of them write a
    large file meanwhile.
    """
    if processes() > 1:
        store, place = core.create_or_get_global_tcp_store(), f"lung_ssp/waiting/{next(_waits)}"
        if store.add(place, 1) == processes():
            store.set(f"{place}/all", "here")
        store.wait(f"{place}/all")


def own_share(items: Items) -> Items:
    """This process's share of a batch, or of any list or array: every N-th item, so that each is of one process."""
    return items[rank() :: processes()]


class Total(PyLayer):
    """The sum of a tensor over the processes; see the module on its gradient."""

    @staticmethod
    def forward(ctx: Any, own: paddle.Tensor) -> paddle.Tensor:
        """Of float (...), the same in each process."""
        return _reduced(own.clone())

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        """What each process's copy of the sum has led to, together."""
        return _reduced(gradient.clone())


def total(own: paddle.Tensor) -> paddle.Tensor:
    """The sum of `own`, float (...), over the processes, with its gradient."""
    return Total.apply(own) if processes() > 1 else own


def summed(own: np.ndarray) -> np.ndarray:
    """The sum of an array of numbers over the processes; the same bits in each of them."""
    return _reduced(paddle.to_tensor(own)).numpy() if processes() > 1 else own


def gathered(own: np.ndarray) -> np.ndarray:
    """The parts (n, ...) of all processes, of one shape, joined in their order: (N n, ...)."""
    if processes() == 1:
        return own
    places = np.zeros((processes(), *own.shape), np.int64 if own.dtype == bool else own.dtype)
    places[rank()] = own
    return summed(places).reshape(-1, *own.shape[1:]).astype(own.dtype)


def average_gradients(network: paddle.nn.Layer) -> None:
    """Make each parameter's gradient the mean over the processes: between the backward pass and the update.

    Not paddle.DataParallel, which reduces each gradient as soon as it is there: Paddle does not allow it together with
    layers that talk in their own backward pass, as `Total` does.
    """
    if processes() > 1:
        fused_allreduce_gradients(network.parameters(), None)


def equalise(network: paddle.nn.Layer) -> None:
    """Give every process the first one's weights and buffers."""
    if processes() > 1:
        for tensor in network.state_dict().values():
            distributed.broadcast(tensor, src=0)


def _reduced(tensor: paddle.Tensor) -> paddle.Tensor:
    distributed.all_reduce(tensor)
    return tensor
