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
