"""A team of threads that divide every batch of a training, on a CPU.

Paddle's products of matrices use every core, its other operations one. So each thread of a team takes its shard of the
batch through the whole network on one core, forwards and backwards; normalisations and losses are those of the whole
batch, as with several processes (training/distributed.py), without their cost: the threads see the same memory, and
Paddle's operations run outside Python's lock.
"""

import copy
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BrokenBarrierError
from typing import TypeVar

import paddle
from threadpoolctl import ThreadpoolController

from lung_ssp import runtime
from lung_ssp.training.batch_norm import synchronise_batch_norm
from lung_ssp.training.distributed import Meeting, Member, as_member, world_size
from lung_ssp.training.settings import TrainingSettings

Result = TypeVar("Result")


def team_size(settings: TrainingSettings) -> int:
    """How many threads divide a batch: on a CPU as many of OMP_NUM_THREADS as can share it evenly.

    One where several processes share the training, or where the network is one of a single process.

    Raises:
        EnvironmentProblem: OMP_NUM_THREADS is no number of threads.
    """
    threads = runtime.threads()
    if settings.needs_one_process or world_size() > 1 or paddle.device.get_device() != "cpu":
        return 1
    return max(size for size in range(1, threads + 1) if settings.batch_size % size == 0)


class Team:
    """Threads with a network each, whose parameters and buffers are the same memory.

    Args:
        network: of the first thread, which is the caller's; its batch normalisations are replaced by synchronised ones.
        size: number of threads, at least 2.
    """

    def __init__(self, network: paddle.nn.Layer, size: int) -> None:
        synchronise_batch_norm(network)
        self.networks = [network, *(replica_of(network) for _ in range(size - 1))]
        self._libraries = ThreadpoolController()
        self._others = ThreadPoolExecutor(size - 1, "team")

    def run(self, work: Callable[[paddle.nn.Layer], Result]) -> Result:
        """Have each thread do its part of some work with its network, then add all gradients to the first network's.

        Returns:
            what the first thread's part returned.

        Raises:
            Exception: what a part raised.
        """
        size, meeting = len(self.networks), Meeting(len(self.networks))
        others: list[Future[Result]] = []
        try:
            for rank in range(1, size):
                others.append(self._others.submit(self._part, Member(rank, size, meeting), work))
            return self._part(Member(0, size, meeting), work)
        except BaseException as error:
            meeting.barrier.abort()  # the others would wait for ever
            causes = [error, *(failed for other in others if (failed := other.exception()) is not None)]
            for network in self.networks:
                network.clear_gradients()
            raise next((cause for cause in causes if not isinstance(cause, BrokenBarrierError)), error) from None
        finally:
            for other in others:
                other.exception()  # waits for its end

    def _part(self, member: Member, work: Callable[[paddle.nn.Layer], Result]) -> Result:
        try:
            with as_member(member), self._libraries.limit(limits=1, user_api="openmp"):
                result = work(self.networks[member.rank])
                member.gather(None)  # all gradients are there
                self._add_gradients(member)
                return result
        except BaseException:
            member.meeting.barrier.abort()  # the others would wait for ever
            raise

    @paddle.no_grad()
    def _add_gradients(self, member: Member) -> None:
        """Add the others' gradients of this thread's share of the parameters to the first network's.

        A parameter that has a gradient in one thread has one in all: each goes through the whole network.
        """
        shares = [list(network.parameters())[member.rank :: member.size] for network in self.networks]
        for own, *others in zip(*shares, strict=True):
            for other in others:
                if other.grad is not None:
                    own.grad.add_(other.grad)
                    other.clear_gradient(set_to_zero=False)


def replica_of(network: paddle.nn.Layer) -> paddle.nn.Layer:
    """A network in training mode whose parameters and buffers are the same memory; its gradients are its own."""
    replica = copy.deepcopy(network)
    for own, shared in zip(network.state_dict().values(), replica.state_dict().values(), strict=True):
        own._share_buffer_to(shared)
    replica.train()
    return replica
