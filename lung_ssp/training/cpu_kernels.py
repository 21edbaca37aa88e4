"""Faster forms of Paddle's operations on a CPU, for the networks of both tasks."""

import paddle
from paddle.nn import functional

from lung_ssp.training.finite import NotFinite


def on_cpu(x: paddle.Tensor) -> bool:
    """Whether x is computed on a CPU, and not traced for an export, which keeps the plain operations."""
    return paddle.in_dynamic_mode() and x.place.is_cpu_place()


def expand_channels(values: paddle.Tensor, x: paddle.Tensor) -> paddle.Tensor:
    """One value, or one per channel, expanded to the shape of x (n, channels, ...).

    On a CPU, Paddle's broadcasting operations are several times slower than an expansion and a plain operation.
    """
    return values.reshape([1, -1] + [1] * (x.ndim - 2)).expand(x.shape)


def scale_channels(
    x: paddle.Tensor, factors: paddle.Tensor, offsets: paddle.Tensor, centres: paddle.Tensor | None = None
) -> paddle.Tensor:
    """(x - centres) * factors + offsets for x (n, channels, ...) and the others (channels,), on a CPU.

    By the kernel that applies a batch normalisation: it goes through x once, and its gradient sums over all but the
    channels in one pass as well, where Paddle's sum over several axes is slow.
    """
    ones = paddle.ones_like(offsets)
    centres = paddle.zeros_like(offsets) if centres is None else centres
    return functional.batch_norm(x, centres, ones, factors, offsets, training=False, epsilon=0.0)


def scaled_by(factors: paddle.Tensor, x: paddle.Tensor) -> paddle.Tensor:
    """x (n, channels, ...) times one factor, shape (), or one per channel."""
    if not on_cpu(x):
        return factors.reshape([1, -1] + [1] * (x.ndim - 2)) * x
    offsets = paddle.zeros([x.shape[1]])
    offsets.stop_gradient = False  # the kernel computes the gradient of the factors only together with the offsets'
    return scale_channels(x, factors.expand([x.shape[1]]), offsets)


def max_pool(x: paddle.Tensor) -> paddle.Tensor:
    """2x2 maximum, (n, channels, h, w) to (n, channels, h // 2, w // 2).

    Asking for its mask makes Paddle take the kernel whose gradient takes half the time on a CPU. For a window without
    a finite number that kernel answers the index -1 and the least number there is; its gradient would then be written
    in front of the tensor, into other memory.

    Raises:
        NotFinite: on a CPU, a window holds no finite number.
    """
    pooled, indices = functional.max_pool2d(x, 2, return_mask=True)
    if on_cpu(x) and int(indices.min()) < 0:
        raise NotFinite("The network's activations are not finite")
    return pooled
