"""Batch normalisation over the batches of all processes, or of all threads of a team, together."""

from typing import Any, TypeAlias

import paddle
from paddle import nn
from paddle.autograd import PyLayer
from paddle.nn import functional

from lung_ssp.training.cpu_kernels import max_pool, scale_channels
from lung_ssp.training.distributed import gather, in_team, rank, world_size


def synchronise_batch_norm(network: nn.Layer) -> None:
    """Replace the batch normalisations inside a network, keeping their parameters, moving averages and names.

    On GPUs Paddle's SyncBatchNorm replaces them; Paddle has none for a CPU, where SynchronisedBatchNorm does.
    """
    if paddle.device.get_device().startswith("gpu"):
        nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return
    for parent in network.sublayers(include_self=True):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm1D | nn.BatchNorm2D):
                parent.add_sublayer(name, SynchronisedBatchNorm(child))


class SynchronisedBatchNorm(nn.Layer):
    """Batch normalisation whose mean and variance are those of all processes' samples (Ioffe and Szegedy, ICML 2015).

    Each process must give it the same number of samples. The moving averages take the variance without Bessel's
    correction, as Paddle's BatchNorm1D and BatchNorm2D do on a CPU.

    Args:
        replaced: the layer whose parameters and moving averages it takes over.
    """

    def __init__(self, replaced: nn.BatchNorm1D | nn.BatchNorm2D) -> None:
        super().__init__()
        self.weight, self.bias = replaced.weight, replaced.bias
        self._mean, self._variance = replaced._mean, replaced._variance
        self._momentum, self._epsilon = replaced._momentum, replaced._epsilon

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, channels) or (n, channels, height, width) to the same shape."""
        if not self.training:
            return functional.batch_norm(
                x, self._mean, self._variance, self.weight, self.bias, False, epsilon=self._epsilon
            )
        mean, variance = Statistics.apply(x)
        move_averages(self, mean.detach(), variance.detach())
        return normalised(x, mean, variance, self.weight, self)


BatchNorm: TypeAlias = nn.BatchNorm1D | nn.BatchNorm2D | SynchronisedBatchNorm


class Statistics(PyLayer):
    """Mean and variance of each channel over the samples of all processes, on a CPU.

    Its graph can be gone through once: Paddle 2.6 crashes in the second pass through any PyLayer (`retain_graph`).
    """

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """(n, channels, ...) to two of (channels,), the variance without Bessel's correction."""
        own_mean, own_variance = paddle.zeros([x.shape[1]]), paddle.zeros([x.shape[1]])
        if x.size == x.shape[1]:  # one value a channel, of which Paddle's kernel takes no statistics
            own_mean, own_variance = x.detach().flatten(), paddle.zeros([x.shape[1]])
        else:  # Paddle's fastest way to both: moving averages that forget all but this batch
            functional.batch_norm(x, own_mean, own_variance, training=True, momentum=0.0)
        parts = gather(paddle.stack([own_mean, own_variance]))
        mean = parts[:, 0].mean(0)
        variance = (parts[:, 1] + (parts[:, 0] - mean) ** 2).mean(0)
        ctx.save_for_backward(x, mean)
        return mean, variance

    @staticmethod
    def backward(ctx: Any, of_mean: paddle.Tensor, of_variance: paddle.Tensor) -> paddle.Tensor:
        """The gradient of x: for each channel one number, and another times the distance from the mean."""
        x, mean = ctx.saved_tensor()
        summed = gather(paddle.stack([of_mean, of_variance])).sum(0) / (x.size // x.shape[1] * world_size())
        return scale_channels(x, 2 * summed[1], summed[0], mean)


def normalised(
    x: paddle.Tensor, mean: paddle.Tensor, variance: paddle.Tensor, factors: paddle.Tensor, norm: BatchNorm
) -> paddle.Tensor:
    """x (n, channels, ...) with this mean and variance, then with the factors and the layer's offsets; (channels,)."""
    slope = factors * paddle.rsqrt(variance + norm._epsilon)
    centre = mean.detach()  # subtracted as it is, the mean's gradient flows through the offsets
    return scale_channels(x, slope, norm.bias - (mean - centre) * slope, centre)


@paddle.no_grad()
def move_averages(norm: BatchNorm, mean: paddle.Tensor, variance: paddle.Tensor) -> None:
    """Move the layer's averages towards a batch's; in a team the first thread does it, for memory that all share."""
    if rank() == 0 or not in_team():
        for average, of_batch in ((norm._mean, mean), (norm._variance, variance)):
            average.set_value(norm._momentum * average + (1 - norm._momentum) * of_batch)


def signs(norm: BatchNorm) -> paddle.Tensor:
    """+1 or -1 for each channel, of its normalisation's factor, without a gradient: (channels,)."""
    return (norm.weight.detach() >= 0).astype("float32") * 2 - 1


def pooled_then_normalised(x: paddle.Tensor, norm: BatchNorm) -> paddle.Tensor:
    """What the 2x2 maximum of a normalisation is, for a quarter of its work: the normalisation of the maximum.

    The two commute where the factor is not negative. So x is what is to be normalised times `signs(norm)`, which costs
    nothing when the weights before it carry the signs. Mean and variance are those of all of x, before its maximum.

    Args:
        x: (n, channels, height, width), in training mode on a CPU.

    Returns:
        (n, channels, height // 2, width // 2).
    """
    sign = signs(norm)
    mean, variance = Statistics.apply(x)
    move_averages(norm, sign * mean.detach(), variance.detach())
    return normalised(max_pool(x), mean, variance, sign * norm.weight, norm)
