"""What one of two processes does in test_distributed.py: a network on its half of a batch."""

import json
import sys
from pathlib import Path

import numpy as np
import paddle

from lung_ssp.training.batch_norm import synchronise_batch_norm
from lung_ssp.training.distributed import (
    all_gather,
    all_reduce,
    average_gradients,
    broadcast_parameters,
    differentiable_all_reduce,
    init_process_group,
    is_main_process,
    rank,
    shard,
)

SAMPLES = 8


def make_network() -> paddle.nn.Layer:
    """Both kinds of batch normalisation, at several depths."""
    return paddle.nn.Sequential(
        paddle.nn.Conv2D(1, 3, 3, bias_attr=False),
        paddle.nn.Sequential(paddle.nn.BatchNorm2D(3, 0.8, 1e-3), paddle.nn.Tanh()),
        paddle.nn.Flatten(),
        paddle.nn.Linear(3 * 4 * 4, 5, bias_attr=False),
        paddle.nn.BatchNorm1D(5),
    )


def loss_of(network: paddle.nn.Layer, images: np.ndarray, weights: np.ndarray) -> paddle.Tensor:
    """A quotient of sums over the batch, squared, and a penalty: no mean over the samples of it would do."""
    outputs = network(paddle.to_tensor(images))
    weights = paddle.to_tensor(weights)
    above, below = (outputs * weights).sum(), (outputs.exp() * weights).sum()
    quotient = differentiable_all_reduce(above) / differentiable_all_reduce(below)
    return 1000 * quotient * quotient + 0.1 * (network[0].weight ** 2).sum()


def make_batch() -> tuple[np.ndarray, np.ndarray]:
    """Images (8, 1, 6, 6) and weights (8, 5)."""
    rng = np.random.default_rng(0)
    images = rng.normal(2, 3, (SAMPLES, 1, 6, 6)).astype(np.float32)
    return images, rng.random((SAMPLES, 5)).astype(np.float32)


def results(network: paddle.nn.Layer, batch: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """Loss, gradients and moving averages of one step, and what the network says of an image afterwards."""
    network.train()
    loss = loss_of(network, *batch)
    loss.backward()
    average_gradients(network)
    learnt = [(name, value) for name, value in network.named_parameters() if not value.stop_gradient]
    found = {f"gradient {name}": value.grad.numpy() for name, value in learnt}
    found |= {name: value.numpy() for name, value in network.state_dict().items()}
    network.eval()
    return {**found, "loss": loss.numpy(), "evaluated": network(paddle.to_tensor(make_batch()[0])).numpy()}


def work(folder: Path) -> None:
    """The work of a process; the first one writes what it found."""
    init_process_group()
    paddle.seed(rank())  # other weights in each, until they are made equal
    network = make_network()
    broadcast_parameters(network)
    synchronise_batch_norm(network)
    found = results(network, tuple(shard(array) for array in make_batch()))
    rows = np.arange(3.0) + 10 * rank()
    said = {
        "gathered": all_gather(rows).tolist(),
        "gathered flags": all_gather(np.array([rank() == 0, True])).tolist(),
        "summed": all_reduce(rows).tolist(),
        "shares": all_gather(np.array([sum(shard(list(range(10))))])).tolist(),
    }
    if is_main_process():
        np.savez(folder / "found.npz", **found)
        (folder / "said.json").write_text(json.dumps(said))


if __name__ == "__main__":
    work(Path(sys.argv[1]))
