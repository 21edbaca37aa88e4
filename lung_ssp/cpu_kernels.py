"""What makes Paddle's own operations fast on a CPU, for the networks of every room."""

import paddle


def on_cpu(x: paddle.Tensor) -> bool:
    """Whether x is computed on a CPU, here and now: an exported graph keeps the plain operations."""
    return paddle.in_dynamic_mode() and x.place.is_cpu_place()


def spread(values: paddle.Tensor, x: paddle.Tensor) -> paddle.Tensor:
    """One number, or one a channel, written out in the shape of x (n, channels, ...).

    Paddle's broadcasting operations are several times slower on a CPU than an expansion and a plain one.
    """
    return values.reshape([1, -1] + [1] * (x.ndim - 2)).expand(x.shape)
