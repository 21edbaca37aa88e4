"""Full precision is the plain update; mixed precision is refused where there is none."""

import numpy as np
import paddle
import pytest

from lung_ssp.errors import ConfigError
from lung_ssp.training.precision import Precision
from lung_ssp.training.settings import ComputeSettings


def line() -> tuple[paddle.nn.Layer, paddle.optimizer.Optimizer]:
    paddle.seed(0)
    network = paddle.nn.Linear(3, 1)
    return network, paddle.optimizer.Adam(0.1, parameters=network.parameters())


def test_full_precision_is_the_plain_update() -> None:
    x = paddle.to_tensor(np.arange(12, dtype="float32").reshape(4, 3))
    weights = []
    for plain in (True, False):
        network, optimizer = line()
        precision = Precision(ComputeSettings(), network, optimizer)
        for _ in range(3):
            if plain:
                (network(x) ** 2).mean().backward()
                optimizer.step()
                optimizer.clear_grad()
            else:
                with precision.autocast():
                    loss = (network(x) ** 2).mean()
                precision.update(loss)
                assert network.weight.grad is None or not network.weight.grad.numpy().any()
        weights.append(network.weight.numpy())
        assert precision.state() == {}
    assert np.array_equal(*weights)


@pytest.mark.parametrize("level", ["O1", "O2"])
def test_mixed_precision_on_a_cpu_is_refused_before_anything_is_changed(level: str) -> None:
    network, optimizer = line()
    with pytest.raises(ConfigError, match=f"amp_level is {level}, but mixed precision needs a GPU"):
        Precision(ComputeSettings(amp_level=level), network, optimizer)
    assert network.weight.dtype == paddle.float32
