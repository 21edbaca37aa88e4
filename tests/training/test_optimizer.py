"""Learning-rate multiples through the scheduler, and no decay on the alphas."""

import numpy as np
import paddle
import pytest

from lung_ssp.classification.cross_stitch import CrossStitch
from lung_ssp.training.optimizer import make_optimizer, make_scheduler
from lung_ssp.training.settings import OptimizerSettings, SchedulerSettings


class StitchedPair(paddle.nn.Layer):
    """A weight and a unit, each with a constant gradient of 1."""

    def __init__(self, multiple: float) -> None:
        super().__init__()
        self.weight = self.create_parameter([2])
        self.unit = CrossStitch(np.eye(2), learning_rate_multiple=multiple)

    def forward(self) -> paddle.Tensor:
        return self.weight.sum() + self.unit.alphas.sum()


@pytest.mark.parametrize("multiple", [1.0, 100.0])
def test_the_alphas_multiple_survives_the_scheduler(multiple: float) -> None:
    layer = StitchedPair(multiple)
    scheduler = make_scheduler(SchedulerSettings(learning_rate=0.01, end_lr=0.0), steps=10)
    optimizer = make_optimizer(OptimizerSettings(), layer, scheduler)
    for step in range(8):
        before = layer.weight.numpy().copy(), layer.unit.alphas.numpy().copy()
        layer().backward()
        optimizer.step()
        optimizer.clear_grad()
        # With a constant gradient Adam moves by the learning rate itself.
        rate = 0.01 * (1 - step / 10)
        np.testing.assert_allclose(before[0] - layer.weight.numpy(), rate, rtol=2e-3)
        np.testing.assert_allclose(before[1] - layer.unit.alphas.numpy(), multiple * rate, rtol=2e-3)
        scheduler.step()


def test_alphas_without_a_gradient_do_not_decay() -> None:
    layer = StitchedPair(1.0)
    scheduler = make_scheduler(SchedulerSettings(), steps=10)
    optimizer = make_optimizer(OptimizerSettings(), layer, scheduler)
    for _ in range(5):
        (layer.weight.sum() + 0.0 * layer.unit.alphas.sum()).backward()
        optimizer.step()
        optimizer.clear_grad()
    assert np.array_equal(layer.unit.alphas.numpy(), np.eye(2))


def test_a_constant_rate_stays_exactly_constant() -> None:
    scheduler = make_scheduler(SchedulerSettings(learning_rate=0.001, end_lr=0.001), steps=30)
    rates = []
    for _ in range(40):
        rates.append(scheduler())
        scheduler.step()
    assert set(rates) == {0.001}


@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_groups_of_tensors_are_updated_as_one_by_one(kind: str, weight_decay: float) -> None:
    weights = []
    for together in (True, False):
        paddle.seed(0)
        network = paddle.nn.Sequential(paddle.nn.Linear(5, 7), paddle.nn.ReLU(), paddle.nn.Linear(7, 2))
        scheduler = make_scheduler(SchedulerSettings(), steps=30)
        optimizer = (
            make_optimizer(OptimizerSettings(type=kind, weight_decay=weight_decay), network, scheduler)
            if together
            else getattr(paddle.optimizer, kind)(scheduler, parameters=network.parameters(), weight_decay=weight_decay)
        )
        rng = np.random.default_rng(0)
        for _ in range(10):
            (network(paddle.to_tensor(rng.normal(size=(8, 5)).astype("float32"))) ** 2).mean().backward()
            optimizer.step()
            optimizer.clear_grad()
        weights.append(np.concatenate([parameter.numpy().ravel() for parameter in network.parameters()]))
    np.testing.assert_allclose(*weights, atol=1e-6)
