"""Two processes with half a batch each are one process with the batch."""

import itertools
import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest

from lung_ssp.training import distributed
from lung_ssp.training.batch_norm import SynchronisedBatchNorm, pooled_then_normalised, signs
from lung_ssp.training.launch import Job, free_ports, worker_environment

REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("parallel_worker.py")


@pytest.fixture(scope="module")
def found_by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what two processes found, and said, together."""
    folder = tmp_path_factory.mktemp("two")
    job = Job([], 2, "cpu", folder)
    endpoints = [f"127.0.0.1:{port}" for port in free_ports(2)]
    workers = [
        subprocess.Popen(
            [sys.executable, WORKER, folder],
            env={**worker_environment(job, rank, endpoints), "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for rank in range(2)
    ]
    said = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    return folder


@pytest.mark.slow
def test_loss_gradients_and_moving_averages_are_those_of_one_process(found_by_two: Path) -> None:
    worker = runpy.run_path(str(WORKER))
    paddle.seed(0)
    alone = worker["results"](worker["make_network"](), worker["make_batch"]())
    with np.load(found_by_two / "found.npz") as file:
        together = {name: file[name] for name in file.files}
    assert set(together) == set(alone)
    for name, expected in alone.items():
        scale = np.abs(expected).max()
        assert together[name] == pytest.approx(expected, abs=1e-5 * scale), name


@pytest.mark.slow
def test_parts_are_joined_in_order_and_numbers_added_up(found_by_two: Path) -> None:
    said = json.loads((found_by_two / "said.json").read_text())
    assert said == {
        "gathered": [0, 1, 2, 10, 11, 12],
        "gathered flags": [True, True, False, True],
        "summed": [10, 12, 14],
        "shares": [0 + 2 + 4 + 6 + 8, 1 + 3 + 5 + 7 + 9],
    }


def test_one_process_does_nothing() -> None:
    distributed.init_process_group()
    assert (distributed.world_size(), distributed.rank(), distributed.is_main_process()) == (1, 0, True)
    tensor, array = paddle.ones([2]), np.arange(4)
    assert distributed.differentiable_all_reduce(tensor) is tensor
    assert distributed.all_reduce(array) is array
    assert distributed.all_gather(array) is array
    assert list(distributed.shard(array)) == [0, 1, 2, 3]
    assert distributed.gather(tensor).tolist() == [[1, 1]]
    assert distributed.by_first(lambda: "made") == "made"


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_every_item_is_of_one_process(monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    monkeypatch.setattr(distributed, "world_size", lambda: processes)
    shares = []
    for rank in range(processes):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        shares.append(list(distributed.shard(np.arange(12))))
    assert {len(share) for share in shares} == {12 // processes}
    assert sorted(itertools.chain(*shares)) == list(range(12))


@pytest.mark.parametrize(("kind", "shape"), [("BatchNorm1D", [6, 3]), ("BatchNorm2D", [6, 3, 4, 5])])
def test_a_synchronised_batch_norm_is_paddles_where_there_is_one_process(kind: str, shape: list[int]) -> None:
    paddle.seed(0)
    ours, theirs = (getattr(paddle.nn, kind)(3, momentum=0.7, epsilon=1e-2) for _ in range(2))
    ours = SynchronisedBatchNorm(ours)
    for layer in (ours, theirs):
        layer.weight.set_value(paddle.to_tensor([1.0, -2.0, 0.5]))
        layer.bias.set_value(paddle.to_tensor([0.0, 1.0, 2.0]))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = 2 * paddle.randn(shape) + 1
    for mode in ("train", "eval"):
        for layer in (ours, theirs):
            getattr(layer, mode)()
        assert ours(x).numpy() == pytest.approx(theirs(x).numpy(), abs=1e-5)
    for name, value in theirs.state_dict().items():
        assert ours.state_dict()[name].numpy() == pytest.approx(value.numpy(), abs=1e-6), name


def test_pooling_first_is_pooling_last_for_factors_of_both_signs() -> None:
    paddle.seed(0)
    x = 3 * paddle.randn([6, 3, 4, 8]) + 2
    found = []
    for pool_first in (True, False):
        norm = paddle.nn.BatchNorm2D(3, momentum=0.7, epsilon=1e-2)
        norm.weight.set_value(paddle.to_tensor([1.5, -2.0, 0.0]))
        norm.bias.set_value(paddle.to_tensor([0.0, 1.0, 2.0]))
        own = x.clone().detach()
        own.stop_gradient = False
        if pool_first:
            y = pooled_then_normalised(own * signs(norm).reshape([1, 3, 1, 1]), norm)
        else:
            y = paddle.nn.functional.max_pool2d(norm(own), 2)
        (y * paddle.arange(float(y.size)).reshape(y.shape)).sum().backward()
        found.append([y, own.grad, norm.weight.grad, norm.bias.grad, norm._mean, norm._variance])
    for name, first, last in zip(("y", "x", "factor", "offset", "mean", "variance"), *found, strict=True):
        # where the factor is 0 all four are the maximum, and only one of them gets the gradient of the factor
        first, last = (value.numpy()[..., :2] if name == "factor" else value.numpy() for value in (first, last))
        assert first == pytest.approx(last, abs=1e-5 * np.abs(last).max()), name
