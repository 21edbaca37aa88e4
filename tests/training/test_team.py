"""A team of threads learns what one thread learns."""

import copy
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from lung_ssp.training import distributed, team
from lung_ssp.training.batch_norm import SynchronisedBatchNorm
from lung_ssp.training.dropout import Dropout
from lung_ssp.training.finite import NotFinite
from lung_ssp.training.precision import Precision
from lung_ssp.training.settings import ComputeSettings
from lung_ssp.training.team import Team, team_size
from lung_ssp.training.update import Updater

WORKER = runpy.run_path(str(Path(__file__).with_name("parallel_worker.py")))


class Batch(SimpleNamespace):
    def shard(self) -> "Batch":
        return Batch(images=distributed.shard(self.images), weights=distributed.shard(self.weights))


class QuotientTask:
    """The network and the loss of parallel_worker.py, with dropout in front."""

    def __init__(self, network: paddle.nn.Layer) -> None:
        self.network = network

    def losses(self, batch: Batch) -> dict[str, paddle.Tensor]:
        return {"total": WORKER["loss_of"](self.network, batch.images, batch.weights)}


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[int]:
    monkeypatch.setenv("OMP_NUM_THREADS", str(request.param))
    return request.param


def learnt(threads: int, steps: int = 3) -> tuple[list[float], dict[str, np.ndarray]]:
    """The losses of some steps, and all parameters and moving averages after them."""
    paddle.seed(0)
    network = paddle.nn.Sequential(*WORKER["make_network"](), Dropout(0.3), paddle.nn.Linear(5, 5))
    network.train()
    images, weights = WORKER["make_batch"]()
    optimizer = paddle.optimizer.SGD(0.01, parameters=network.parameters())
    settings = SimpleNamespace(needs_one_process="", batch_size=len(images))
    update = Updater(QuotientTask(network), Precision(ComputeSettings(), network, optimizer), settings)
    assert (update._team is not None) == (threads > 1)
    losses = []
    for step in range(steps):
        paddle.seed(step)
        losses.append(float(update(Batch(images=images, weights=weights))["total"]))
    return losses, {name: value.numpy() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("threads", [2, 4], indirect=True)
def test_a_team_learns_what_one_thread_learns(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    losses, state = learnt(threads)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone, expected = learnt(1)
    assert losses == pytest.approx(alone, rel=1e-5)
    assert len(set(losses)) == len(losses)  # it does learn
    assert list(state) == list(expected)
    for name, value in expected.items():
        assert state[name] == pytest.approx(value, abs=2e-5 * np.abs(value).max()), name


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_a_team_gives_the_same_bits_each_time(threads: int) -> None:
    (first, a), (second, b) = learnt(threads), learnt(threads)
    assert first == second
    assert all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_a_loss_that_is_not_finite_ends_all_threads(threads: int) -> None:
    network = WORKER["make_network"]()
    images, weights = WORKER["make_batch"]()
    images[1] = np.nan  # in the second thread's shard
    optimizer = paddle.optimizer.SGD(0.01, parameters=network.parameters())
    settings = SimpleNamespace(needs_one_process="", batch_size=len(images))
    update = Updater(QuotientTask(network), Precision(ComputeSettings(), network, optimizer), settings)
    with pytest.raises(NotFinite):
        update(Batch(images=images, weights=weights))


def test_the_cause_is_raised_and_not_that_others_gave_up() -> None:
    workers = Team(paddle.nn.Linear(1, 1), 3)

    def work(network: paddle.nn.Layer) -> None:
        if distributed.rank() == 2:
            raise ValueError("the cause")
        distributed.gather(paddle.ones([1]))

    for _ in range(3):  # it can be used again
        with pytest.raises(ValueError, match="the cause"):
            workers.run(work)


def test_inside_a_team_rank_and_size_are_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Team(paddle.nn.Linear(1, 1), 3).run(
        lambda network: distributed.gather(paddle.to_tensor([distributed.rank(), distributed.world_size()])).tolist()
    )
    assert places == [[0, 3], [1, 3], [2, 3]]
    assert (distributed.rank(), distributed.world_size()) == (0, 1)


def test_networks_share_their_memory_but_not_their_gradients() -> None:
    network = paddle.nn.Sequential(paddle.nn.Linear(2, 2), paddle.nn.BatchNorm1D(2))
    replica = team.replica_of(network)
    network[0].weight.set_value(paddle.full([2, 2], 7.0))
    network[1]._mean.set_value(paddle.full([2], 3.0))
    assert (replica[0].weight.numpy() == 7).all() and (replica[1]._mean.numpy() == 3).all()
    replica(paddle.ones([4, 2])).sum().backward()
    assert replica[0].weight.grad is not None and network[0].weight.grad is None


def test_a_teams_network_keeps_the_names_of_its_parameters() -> None:
    network = WORKER["make_network"]()
    names = list(network.state_dict())
    Team(network, 2)
    assert list(network.state_dict()) == names
    assert isinstance(network[4], SynchronisedBatchNorm)


@pytest.mark.parametrize(
    ("threads", "batch_size", "reason", "expected"),
    [(1, 128, "", 1), (2, 128, "", 2), (3, 128, "", 2), (4, 6, "", 3), (8, 4, "", 4), (2, 7, "", 1), (2, 8, "two", 1)],
)
def test_the_threads_of_a_team_share_a_batch_evenly(
    monkeypatch: pytest.MonkeyPatch, threads: int, batch_size: int, reason: str, expected: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    assert team_size(SimpleNamespace(batch_size=batch_size, needs_one_process=reason)) == expected


def test_dropout_in_a_team_is_that_of_the_whole_batch() -> None:
    dropout = Dropout(0.5)
    x = paddle.to_tensor(np.arange(1, 13, dtype="float32").reshape(6, 2))
    paddle.seed(3)
    whole = dropout(x).numpy()
    paddle.seed(3)
    parts = Team(copy.deepcopy(dropout), 2).run(lambda _: distributed.gather(dropout(distributed.shard(x))).numpy())
    assert 0 < np.count_nonzero(whole) < whole.size
    assert np.array_equal(parts[0], whole[0::2]) and np.array_equal(parts[1], whole[1::2])
