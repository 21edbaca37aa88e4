"""The form in which dense blocks are exported gives the numbers of the form in which they are trained."""

import numpy as np
import paddle
import pytest
from paddle import nn

from lung_ssp.segmentation.networks import DenseBlock
from lung_ssp.segmentation.traced import folded_convolution, traced_dense_block


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("growth_rate, layers", [(8, 3), (8, 1), (8, 2), (4, 5), (16, 3)])
def test_a_traced_block_gives_the_numbers_of_the_block(growth_rate: int, layers: int, batch_norm: bool) -> None:
    paddle.seed(growth_rate + layers)
    block = DenseBlock(6, 5, growth_rate, layers, batch_norm)
    for layer in block.sublayers():
        if isinstance(layer, nn.BatchNorm2D):
            for values in (layer.weight, layer.bias, layer._mean, layer._variance):
                values.set_value(paddle.rand(values.shape) + 0.5)
        elif isinstance(layer, nn.Conv2D) and layer.bias is not None:
            layer.bias.set_value(paddle.rand(layer.bias.shape))
    block.eval()
    x = paddle.randn([2, 6, 9, 12])
    expected = block(x).numpy()
    assert expected.shape == (2, 5, 9, 12) and np.ptp(expected) > 0.1
    found = traced_dense_block(x, [*block.layers, block.transition]).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_normalisation_is_folded_into_the_kernel_and_its_offset() -> None:
    layer = nn.Sequential(nn.Conv2D(1, 1, 1, bias_attr=False), nn.BatchNorm2D(1, epsilon=0.0))
    for values, number in zip(
        (layer[0].weight, layer[1].weight, layer[1].bias, layer[1]._mean, layer[1]._variance),
        (3.0, 10.0, 0.5, 2.0, 4.0),
        strict=True,
    ):
        values.set_value(paddle.full(values.shape, number))
    kernel, offset = folded_convolution(layer)
    assert kernel.numpy().ravel().tolist() == [15.0]  # 3 * 10 / 2
    assert offset.numpy().tolist() == [-9.5]  # 0.5 - 2 * 10 / 2
