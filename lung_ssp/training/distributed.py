"""Data-parallel training in several processes, in torch.distributed's words; with one process, nothing of it acts.

Inside a team of threads (training/team.py) `rank` and `world_size` count its threads, and what is said here of
processes holds for them.

Each process holds the same weights and takes its shard of every batch. The loss of a batch is a function of sums over
its samples, as is a batch normalisation. `differentiable_all_reduce` takes these sums over all processes, so each
process holds the loss L of the whole batch. Paddle's automatic differentiation starts with a gradient of 1 in each of
the N processes, and the gradient of an all-reduce is an all-reduce of the gradients. So the backward pass gives process
r the part of the gradient of N L that went through its samples, and the mean over the processes (`average_gradients`)
is the gradient of L, as one process with the whole batch computes it. What all processes compute alike the mean leaves
as it is.

Every process must call these functions in the same order.
"""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import paddle
from paddle import distributed
from paddle.autograd import PyLayer
from paddle.base import core
from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients

Items = TypeVar("Items", np.ndarray, list[Any], paddle.Tensor)

_barriers = itertools.count()


class Meeting:
    """Where the threads of a team exchange tensors; each must come to every exchange.

    Two rows of places take turns: who comes to the next exchange cannot overwrite what another still reads, since the
    exchange after that waits for all.
    """

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self._rows: list[list[Any]] = [[None] * size, [None] * size]

    def gather(self, rank: int, turn: int, value: Any) -> list[Any]:
        """The values of all threads in the order of their ranks.

        Raises:
            threading.BrokenBarrierError: another thread has failed.
        """
        row = self._rows[turn % 2]
        row[rank] = value
        self.barrier.wait()
        return list(row)


@dataclass
class Member:
    """A thread's place in its team; `turns` counts its exchanges."""

    rank: int
    size: int
    meeting: Meeting
    turns: int = 0

    def gather(self, value: Any) -> list[Any]:
        """The values of all threads of the team in the order of their ranks."""
        self.turns += 1
        return self.meeting.gather(self.rank, self.turns, value)


class _ThisThread(threading.local):
    member: Member | None = None


_this_thread = _ThisThread()


@contextmanager
def as_member(member: Member) -> Iterator[None]:
    """Let this thread be a member of a team inside the block; the functions below then divide among its threads."""
    _this_thread.member = member
    try:
        yield
    finally:
        _this_thread.member = None


def init_process_group() -> None:
    """Connect with the other workers that `launch` has started, if any; call it before the functions below.

    They communicate through NCCL on GPUs and through gloo on a CPU.
    """
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1:
        distributed.init_parallel_env()


def world_size() -> int:
    """The number of processes; in a team, of its threads."""
    if (member := _this_thread.member) is not None:
        return member.size
    return int(distributed.get_world_size()) if distributed.is_initialized() else 1


def rank() -> int:
    """The number of this process, in a team of this thread, counted from 0."""
    if (member := _this_thread.member) is not None:
        return member.rank
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
        return _summed(tensor.clone())

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        """The sum of the gradients of all processes' copies of the sum."""
        return _summed(gradient.clone())


def differentiable_all_reduce(tensor: paddle.Tensor) -> paddle.Tensor:
    """The sum of a float tensor (...) over the processes, through which gradients flow: for losses."""
    return _AllReduce.apply(tensor) if world_size() > 1 else tensor


def all_reduce(array: np.ndarray) -> np.ndarray:
    """The sum of an array of numbers over the processes, the same bits in each of them: for measures."""
    return _summed(paddle.to_tensor(array)).numpy() if world_size() > 1 else array


def all_gather(array: np.ndarray) -> np.ndarray:
    """The arrays (n, ...) of all processes, of one shape, joined in the order of their ranks: (N n, ...)."""
    if world_size() == 1:
        return array
    parts = np.zeros((world_size(), *array.shape), np.int64 if array.dtype == bool else array.dtype)
    parts[rank()] = array
    return all_reduce(parts).reshape(-1, *array.shape[1:]).astype(array.dtype)


def gather(tensor: paddle.Tensor) -> paddle.Tensor:
    """The tensors (...) of all processes, stacked in the order of their ranks: (N, ...); no gradient flows through."""
    if (member := _this_thread.member) is not None:
        return paddle.stack(member.gather(tensor))
    parts: list[paddle.Tensor] = [tensor]
    if world_size() > 1:
        parts = []
        distributed.all_gather(parts, tensor)
    return paddle.stack(parts)


def in_team() -> bool:
    """Whether this thread is a member of a team."""
    return _this_thread.member is not None


def by_first(make: Callable[[], Items]) -> Items:
    """What `make` returns in the first thread of a team, in all of its threads; outside a team, what it returns."""
    if (member := _this_thread.member) is None:
        return make()
    return member.gather(make() if member.rank == 0 else None)[0]


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


def _summed(tensor: paddle.Tensor) -> paddle.Tensor:
    if (member := _this_thread.member) is not None:
        return paddle.add_n(member.gather(tensor))
    distributed.all_reduce(tensor)
    return tensor
