"""Full precision is the plain update; mixed precision is refused where there is none."""

import json

import numpy as np
import paddle
import pytest

from lung_ssp.errors import ConfigError
from lung_ssp.training.precision import Precision, as_float32, decorate
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


def test_a_networks_own_buffers_stay_float32_where_its_weights_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def to_float16(network: paddle.nn.Layer, optimizer: object, level: str) -> None:
        assert level == "O2"
        network._to_impl(dtype="float16", include_sublayers=True, floating_only=True)

    monkeypatch.setattr(paddle.amp, "decorate", to_float16)  # Paddle's own refuses a CPU
    network = paddle.nn.Sequential(paddle.nn.Linear(2, 2))
    network.register_buffer("deviation", paddle.full([2], 1e-9))
    decorate(network, None)
    assert network[0].weight.dtype == paddle.float16
    assert network.deviation.dtype == paddle.float32 and network.deviation.numpy().tolist() == [np.float32(1e-9)] * 2
    assert "deviation" in network.state_dict()


def test_losses_are_summed_in_float32() -> None:
    assert as_float32(paddle.ones([2], "float16")).dtype == paddle.float32
    single = paddle.ones([2])
    assert as_float32(single) is single


class Scaler:
    """Holds the state of Paddle's GradScaler (a stand-in: Paddle's own holds none on a CPU)."""

    def __init__(self, state: dict) -> None:
        self.state = state

    def state_dict(self) -> dict:
        return self.state

    def load_state_dict(self, state: dict) -> None:
        self.state = state


def test_the_loss_scaling_comes_back_through_json() -> None:
    state = {"scale": np.array([16384.0], np.float32), "incr_ratio": 2.0, "decr_ratio": 0.5, "incr_count": 7,
             "decr_count": 1, "incr_every_n_steps": 2000, "decr_every_n_nan_or_inf": 2,
             "use_dynamic_loss_scaling": True}  # fmt: skip
    one, other = (Precision(ComputeSettings(), *line()) for _ in range(2))
    one._scaler, other._scaler = Scaler(state), Scaler({})
    other.restore(json.loads(json.dumps(one.state())))
    found = other._scaler.state
    assert found["scale"].dtype == np.float32 and found["scale"].tolist() == [16384.0]
    assert {key: found[key] for key in state if key != "scale"} == {k: v for k, v in state.items() if k != "scale"}
    assert isinstance(found["incr_count"], int)
