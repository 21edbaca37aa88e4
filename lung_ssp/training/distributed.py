"""Data-parallel training in several processes, in torch.distributed's words; with one process, nothing of it acts.

Each process holds the same weights and takes its shard of every batch. The loss of a batch is a function of sums over
its samples, as is a batch normalisation. `differentiable_all_reduce` takes these sums over all processes, so each
process holds the loss L of the whole batch. Paddle's automatic differentiation starts with a gradient of 1 in each of
the N processes, and the gradient of an all-reduce is an all-reduce of the gradients. So the backward pass gives process
r the part of the gradient of N L that went through its samples, and the mean over the processes (`average_gradients`)
is the gradient of L, as one process with the whole batch computes it. What all processes compute alike, such as the
penalty on the weights, the mean leaves as it is.

Every process must call these functions in the same order.
"""

import itertools
import os
from typing import Any, TypeVar

import numpy as np
import paddle
from paddle import distributed
from paddle.autograd import PyLayer
from paddle.base import core
from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients

Items = TypeVar("Items", np.ndarray, list[Any])

_barriers = itertools.count()


def init_process_group() -> None:
    """Connect with the other workers that `launch` has started, if any; call it before the functions below.

    They communicate through NCCL on GPUs and through gloo on a CPU.
    """
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1:
        distributed.init_parallel_env()


def world_size() -> int:
    """The number of processes."""
    return int(distributed.get_world_size()) if distributed.is_initialized() else 1


def rank() -> int:
    """The number of this process, counted from 0."""
    return int(distributed.get_rank()) if distributed.is_initialized() else 0


def is_main_process() -> bool:
    """Whether this process (rank 0) writes the run's folder and shows the progress."""
    return rank() == 0


def barrier() -> None:
    """Wait until every process is here.

    It uses the TCP store through which the processes met: gloo's own barrier gives up after half a minute, too early
    while the main process writes a large file.
    """
    if world_size() > 1:
        store, key = core.create_or_get_global_tcp_store(), f"lung_ssp/barrier/{next(_barriers)}"
        if store.add(key, 1) == world_size():
            store.set(f"{key}/all", "here")
        store.wait(f"{key}/all")


def shard(items: Items) -> Items:
    """This process's items of a batch, or of any list or array: every N-th, so that each item is in one shard."""
    return items[rank() :: world_size()]


class _AllReduce(PyLayer):
    """The sum of a tensor over the processes; the module's docstring explains its gradient."""

    @staticmethod
    def forward(ctx: Any, tensor: paddle.Tensor) -> paddle.Tensor:
        """Float (...), of one shape in all processes, to their sum."""
        return _all_reduce_in_place(tensor.clone())

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        """The sum of the gradients of all processes' copies of the sum."""
        return _all_reduce_in_place(gradient.clone())


def differentiable_all_reduce(tensor: paddle.Tensor) -> paddle.Tensor:
    """The sum of a float tensor (...) over the processes, through which gradients flow: for losses."""
    return _AllReduce.apply(tensor) if world_size() > 1 else tensor


def all_reduce(array: np.ndarray) -> np.ndarray:
    """The sum of an array of numbers over the processes, the same bits in each of them: for measures."""
    return _all_reduce_in_place(paddle.to_tensor(array)).numpy() if world_size() > 1 else array


def all_gather(array: np.ndarray) -> np.ndarray:
    """The arrays (n, ...) of all processes, of one shape, joined in the order of their ranks: (N n, ...)."""
    if world_size() == 1:
        return array
    parts = np.zeros((world_size(), *array.shape), np.int64 if array.dtype == bool else array.dtype)
    parts[rank()] = array
    return all_reduce(parts).reshape(-1, *array.shape[1:]).astype(array.dtype)


def average_gradients(network: paddle.nn.Layer) -> None:
    """Make each parameter's gradient the mean over the processes: between the backward pass and the update.

    Not paddle.DataParallel, which reduces each gradient as soon as it is computed: Paddle does not allow it together
    with layers that communicate in their own backward pass, as `differentiable_all_reduce` does.
    """
    if world_size() > 1:
        fused_allreduce_gradients(network.parameters(), None)


def broadcast_parameters(network: paddle.nn.Layer) -> None:
    """Give every process the parameters and buffers of the main process."""
    if world_size() > 1:
        for tensor in network.state_dict().values():
            distributed.broadcast(tensor, src=0)


def _all_reduce_in_place(tensor: paddle.Tensor) -> paddle.Tensor:
    distributed.all_reduce(tensor)
    return tensor
