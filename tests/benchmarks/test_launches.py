"""Launches of small steps against counts by hand."""

import pytest

from launches import HostTime, OperatorCalls, StepLaunches, count_calls, eager_name, main, small_overrides
from lung_ssp.benchmark.counting import Cost, Operator
from lung_ssp.tasks import read_training

# a view, a convolution of an image that needs no gradient, a product whose two inputs do, and a loss
GRAPH = [
    Operator("conv2d", flops=2880, read=98, written=160, gradients=1),
    Operator("relu", flops=0, read=160, written=160, gradients=1),
    Operator("matmul_v2", flops=960, read=256, written=15, gradients=2),
]
COSTS = [
    Cost("conv2d", 2880, 258),
    Cost("conv2d backward", 2880, 258),
    Cost("matmul_v2", 960, 271),
    Cost("matmul_v2 backward", 1920, 542),
    Cost("L2 penalty", 0, 600),
    Cost("Adam", 0, 700),
]
CALLED = ["reshape", "conv2d", "relu", "matmul", "relu", "matmul_grad", "conv2d_grad", "reshape_grad", "merged_adam_"]


def test_each_operator_launches_one_kernel_but_views_products_backward_and_adam() -> None:
    found = count_calls(CALLED, GRAPH, COSTS, tensors=5)
    assert found[0] == OperatorCalls("relu", calls=2, kernels=2, bytes=0)
    assert sorted(found[1:], key=lambda row: row.name) == [
        OperatorCalls("L2 penalty", 0, 0, 4 * 600),
        OperatorCalls("conv2d", 1, 1, 4 * 258),
        OperatorCalls("conv2d_grad", 1, 1, 4 * 258),
        OperatorCalls("matmul", 1, 1, 4 * 271),
        OperatorCalls("matmul_grad", 1, 2, 4 * 542),
        OperatorCalls("merged_adam_", 1, 5, 4 * 700),
        OperatorCalls("reshape", 1, 0, 0),
        OperatorCalls("reshape_grad", 1, 0, 0),
    ]
    step = StepLaunches("a.yml", found, [HostTime(2, 3.0, 1.0)], device_ms=1.0)
    assert (step.calls, step.kernels) == (9, 2 + 1 + 1 + 1 + 2 + 5)


def test_names_of_the_static_graph_in_eager_mode() -> None:
    assert eager_name("elementwise_mul backward") == "multiply_grad"
    assert eager_name("split backward") == "concat"
    assert eager_name("relu") == "relu"


@pytest.mark.parametrize(("device_ms", "bound"), [(1.9, "host"), (2.1, "either"), (3.1, "device")])
def test_the_host_bounds_a_step_if_the_device_cannot_take_as_long(device_ms: float, bound: str) -> None:
    # outside the kernels 2.0 and 2.5 ms; the whole step 3.0 and 4.5
    host = [HostTime(2, step_ms=3.0, kernels_ms=1.0), HostTime(4, step_ms=4.5, kernels_ms=2.0)]
    step = StepLaunches("a.yml", [], host, device_ms)
    assert step.host_ms == (2.0, 3.0)
    assert step.bound == bound


def test_a_network_without_a_growth_rate_has_none_made_small() -> None:
    def keys(config: str) -> list[str]:
        return [word.split("=")[0] for word in small_overrides(read_training(config)[1].tree)]

    assert keys("segmentation/unet.yml") == ["train_dataset.patch_size", "model.width"]
    assert keys("segmentation/improved_unet.yml")[-1] == "model.growth_rate"


@pytest.mark.slow
def test_the_table_names_each_configuration_and_its_operators(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--on", "device/v100.yml", "--config", "classification/smoke.yml", "--steps", "2", "--repeats", "1"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "Tesla V100" in out.splitlines()[0]
    (row,) = [line for line in out.splitlines() if line.startswith("merged_adam_")]
    assert int(row.split()[2]) > int(row.split()[1]) == 1
    assert "L2 penalty" in out


def test_what_is_not_counted_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--on", "device/v100.yml", "--config", "classification/two_inputs_smoke.yml"]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "two inputs" in sentence
