"""The dense blocks in the form in which they are exported: the same numbers but for rounding, faster in ONNX Runtime.

ONNX Runtime computes a convolution on blocks of 16 channels (8 without AVX-512). A dense block appends few channels to
all that came before, which breaks the blocks: each of its layers then copies everything twice, and half of each block
that it computes is empty. Here nothing is appended. A convolution of [a, b] is the sum of one of a and one of b, and
the first two layers share a block.
"""

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import nn

BLOCK = 16  # channels that ONNX Runtime computes together


def traced_dense_block(x: paddle.Tensor, layers: Sequence[nn.Layer]) -> paddle.Tensor:
    """The result of a dense block, each of whose layers sees all that came before; the last one, the result, too.

    Args:
        x: (n, in_channels, h, w).
        layers: a convolution each, or a convolution with its batch normalisation; a ReLU follows each.
    """
    folded = [folded_convolution(layer) for layer in layers]
    parts, channels = [x], [x.shape[1]]
    (first, first_offset), (second, second_offset) = folded[:2]
    if len(layers) > 2 and first.shape[0] + second.shape[0] <= BLOCK:
        # Both layers as far as they see x; then what the second one sees of the first. The first has its ReLU twice.
        of_x, of_first = paddle.split(second, [x.shape[1], first.shape[0]], axis=1)
        both = convolution(x, paddle.concat([first, of_x]), paddle.concat([first_offset, second_offset]))
        missing = F.pad(of_first, [first.shape[0], 0, 0, second.shape[0], 0, 0, 0, 0])
        parts.append(F.relu(convolution(F.relu(both), missing) + both))
        channels.append(first.shape[0] + second.shape[0])
        folded = folded[2:]
    for weight, offset in folded:
        of_parts = paddle.split(weight, channels, axis=1) if len(parts) > 1 else [weight]
        result = convolution(parts[0], of_parts[0], offset)
        for part, of_part in list(zip(parts, of_parts, strict=True))[1:]:
            result = convolution(part, of_part) + result
        parts.append(F.relu(result))
        channels.append(weight.shape[0])
    return parts[-1]


def folded_convolution(layer: nn.Layer) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Kernel (out, in, size, size) and offset (out,) of a convolution, with the batch normalisation that follows it."""
    if not isinstance(layer, nn.Sequential):
        return layer.weight, layer.bias
    plain, norm = layer
    scale = norm.weight / paddle.sqrt(norm._variance + norm._epsilon)
    return plain.weight * scale.reshape([-1, 1, 1, 1]), norm.bias - norm._mean * scale


def convolution(x: paddle.Tensor, weight: paddle.Tensor, offset: paddle.Tensor | None = None) -> paddle.Tensor:
    """A convolution of odd size that keeps the size of x."""
    return F.conv2d(x, weight, offset, padding=weight.shape[2] // 2)
