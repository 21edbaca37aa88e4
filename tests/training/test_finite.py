"""NaN and infinity are noticed where they arise, before they spoil a memory, a weight or a file."""

from pathlib import Path

import numpy as np
import paddle
import pytest

from lung_ssp.errors import CheckpointError, TrainingError
from lung_ssp.training.checkpoint import network_arrays, restore_network, restore_optimizer, save_checkpoint
from lung_ssp.training.cpu_kernels import max_pool
from lung_ssp.training.finite import NotFinite, check_gradients, check_loss, check_outputs
from lung_ssp.training.precision import Precision
from lung_ssp.training.settings import ComputeSettings

NAN, INF = float("nan"), float("inf")


def test_the_maximum_of_each_window_and_its_gradient() -> None:
    x = paddle.to_tensor([[[[1.0, 2, 5, 6], [4, 3, 8, 7]]]], stop_gradient=False)
    pooled = max_pool(x)
    pooled.sum().backward()
    assert pooled.numpy().tolist() == [[[[4, 8]]]]
    assert x.grad.numpy().tolist() == [[[[0, 0, 0, 0], [1, 0, 1, 0]]]]


@pytest.mark.parametrize("value", [NAN, -INF])
@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (2, 3, 4, 6)])
def test_a_window_without_a_finite_number_is_refused_in_training_and_inference(
    value: float, shape: tuple[int, ...]
) -> None:
    """Paddle's kernel answers the index -1: its gradient would be written in front of the tensor."""
    content = np.ones(shape, np.float32)
    content[-1, -1, -2:, -2:] = value
    for stop_gradient in (True, False):
        with pytest.raises(NotFinite, match="activations are not finite"):
            max_pool(paddle.to_tensor(content, stop_gradient=stop_gradient))


@pytest.mark.parametrize("loss", [NAN, INF, -INF])
def test_a_loss_that_is_no_number_reaches_neither_gradients_nor_weights(loss: float) -> None:
    network = paddle.nn.Linear(2, 1)
    before = network_arrays(network)
    precision = Precision(ComputeSettings(), network, paddle.optimizer.Adam(parameters=network.parameters()))
    with pytest.raises(NotFinite, match=f"The loss is {loss}"):
        precision.update((network(paddle.ones([1, 2])) * 0 + loss).sum())
    assert network.weight.grad is None
    assert all(np.array_equal(network_arrays(network)[name], value) for name, value in before.items())


@pytest.mark.parametrize("factor", [1e19, 1e30, 1e38])
def test_a_finite_loss_whose_gradients_adam_cannot_square_changes_no_weight(factor: float) -> None:
    """1e20 is finite, but its square, the second moment, is not: the parameter would stand still for ever."""
    network = paddle.nn.Linear(2, 1, bias_attr=False)
    before = network.weight.numpy().copy()
    precision = Precision(ComputeSettings(), network, paddle.optimizer.Adam(parameters=network.parameters()))
    loss = (network(paddle.ones([1, 2])) * factor).sum() + 1.0
    assert np.isfinite(float(loss))
    with pytest.raises(NotFinite, match="The gradient of weight is not finite"):
        precision.update(loss * 10.0 if factor == 1e19 else loss)
    assert np.array_equal(network.weight.numpy(), before)


def test_the_parameter_whose_gradient_is_no_number_is_named() -> None:
    network = paddle.nn.Sequential(paddle.nn.Linear(1, 1), paddle.nn.Linear(1, 1))
    network(paddle.ones([1, 1])).sum().backward()
    check_gradients(network)
    network[1].bias.grad.set_value(paddle.to_tensor([NAN]))
    with pytest.raises(NotFinite, match=r"The gradient of 1\.bias"):
        check_gradients(network)


def test_ordinary_numbers_pass() -> None:
    check_loss(1e30)
    check_outputs(np.array([[1.0, -3e38]]))


@pytest.mark.parametrize("value", [NAN, INF])
def test_outputs_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(NotFinite, match="output is not finite"):
        check_outputs(np.array([[1.0, value]]))


def test_the_step_is_named_and_what_to_do() -> None:
    told = NotFinite("The loss is nan").at_step(7)
    assert type(told) is TrainingError
    assert str(told) == (
        "The loss is nan at step 7: train again with a lower lr_scheduler.learning_rate. The checkpoints of earlier "
        "steps are as they were."
    )


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_weight_that_is_no_number_is_not_saved_and_the_older_checkpoint_stays(tmp_path: Path, value: float) -> None:
    good = {"network/weight": np.ones(3, np.float32)}
    save_checkpoint(tmp_path, "latest", 1, good, {})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(NotFinite, match="optimizer/weight/moment2_0 is not finite"):
        save_checkpoint(tmp_path, "latest", 2, {**good, "optimizer/weight/moment2_0": np.array([1, value])}, {})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_checkpoint_with_weights_that_are_no_numbers_is_refused(value: float) -> None:
    network = paddle.nn.Linear(2, 2)
    arrays = network_arrays(network)
    arrays["network/bias"] = np.array([0, value], np.float32)
    with pytest.raises(CheckpointError, match=r"run/best holds numbers that are not finite \(network/bias\)"):
        restore_network(network, arrays, "run/best")
    optimizer = paddle.optimizer.Adam(parameters=network.parameters())
    with pytest.raises(CheckpointError, match=r"run/latest .* \(optimizer/bias/moment1_0\)"):
        restore_optimizer(optimizer, network, {"optimizer/bias/moment1_0": np.array([value])}, "run/latest")
