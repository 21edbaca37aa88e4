"""Counts of small networks against counts by hand."""

import numpy as np
import paddle
import pytest
from paddle import nn

from lung_ssp.benchmark.counting import Cost, count_flops, operators, step_costs, trainable
from lung_ssp.classification.networks import TwoTaskClassifier
from lung_ssp.classification.settings import ClassifierSettings


class Small(nn.Layer):
    """A scaled image, a convolution from 1 to 2 channels, ReLU, and a matrix product to 3 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2D(1, 2, 3, padding=1, bias_attr=False)
        self.linear = nn.Linear(32, 3, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.linear(nn.functional.relu(self.convolution(x * 0.5)).flatten(1))


IMAGES = (5, 1, 4, 4)  # 80 elements; 160 after the convolution, 15 at the end


def test_a_small_network_by_hand() -> None:
    found = operators(Small(), IMAGES)
    assert [operator.name for operator in found] == ["scale", "conv2d", "relu", "matmul_v2"]
    scale, convolution, relu, product = found
    assert (scale.flops, scale.read, scale.written, scale.gradients) == (0, 80, 80, 0)
    # 160 results of 9 multiplications and additions; no gradient of the image is wanted, one of the 18 weights is
    assert (convolution.flops, convolution.read, convolution.written) == (160 * 9 * 2, 80 + 18, 160)
    assert (convolution.gradients, relu.gradients, product.gradients) == (1, 1, 2)
    assert (product.flops, product.read, product.written) == (15 * 32 * 2, 160 + 96, 15)
    assert trainable(Small()) == 18 + 96
    assert count_flops(Small(), IMAGES, training=False) == 2880 + 960
    assert count_flops(Small(), IMAGES, training=True) == 2 * 2880 + 3 * 960
    assert step_costs(Small(), found) == [
        Cost("scale", 0, 80 + 80),
        Cost("conv2d", 2880, 98 + 160),
        Cost("conv2d backward", 2880, 98 + 160),
        Cost("relu", 0, 160 + 160),
        Cost("relu backward", 0, 2 * 160 + 160),
        Cost("matmul_v2", 960, 256 + 15),
        Cost("matmul_v2 backward", 2 * 960, 2 * (256 + 15)),
        Cost("Adam", 0, 7 * (18 + 96)),
    ]


def test_counting_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(Small())
    before = network(paddle.ones([1, 1, 4, 4])).numpy()
    count_flops(network, IMAGES, training=True)
    assert network.training
    assert not [layer for layer in network.sublayers(include_self=True) if "forward" in vars(layer)]
    assert np.array_equal(network(paddle.ones([1, 1, 4, 4])).numpy(), before)


@pytest.mark.slow
@pytest.mark.parametrize(("granularity", "more"), [("layer", 4), ("channel", 4 * 8), ("dense", (2 * 8 * 2 * 2) ** 2)])
def test_a_unit_counts_what_its_alphas_are(granularity: str, more: int) -> None:
    def counted(sharing: str) -> tuple[int, int, int]:
        settings = ClassifierSettings(
            sharing=sharing, alphas={"granularity": granularity}, image_size=8, conv_channels=[2, 8], fully_connected=16
        )
        network = TwoTaskClassifier(settings)
        for stage in ("pool1", "fc3"):
            if stage in network.units:
                del network.units[stage]
        forward, step = (count_flops(network, (3, 1, 8, 8), training) for training in (False, True))
        return trainable(network), forward, step

    alone, shared = counted("single_task"), counted("partial_soft_sharing")
    assert shared[0] - alone[0] == more
    product = 2 * 3 * more if granularity == "dense" else 0
    assert shared[1] - alone[1] == product
    assert shared[2] - alone[2] == 3 * product


def test_the_l2_penalty_and_adam_are_part_of_a_step() -> None:
    network = TwoTaskClassifier(ClassifierSettings(image_size=8, conv_channels=[2, 4], fully_connected=8))
    step = {cost.name: cost.elements for cost in step_costs(network, [])}
    weights = 2 * (2 * 9 + 4 * 2 * 9 + 4 * 4 * 8 + 8 * 9)
    alphas, scales = 4 * (2 + 4 + 8), 2 * 2 * (2 + 4 + 8 + 9)
    assert step == {"L2 penalty": 6 * weights, "Adam": 7 * (weights + alphas + scales)}
