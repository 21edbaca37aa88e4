"""Batch normalisation over the batches of all processes together."""

import paddle
from paddle import nn
from paddle.nn import functional

from lung_ssp.training.cpu_kernels import expand_channels
from lung_ssp.training.distributed import differentiable_all_reduce, world_size


def synchronise_batch_norm(network: nn.Layer) -> None:
    """Replace the batch normalisations inside a network, keeping their parameters, moving averages and names.

    On GPUs Paddle's SyncBatchNorm replaces them; Paddle has none for a CPU, where SynchronisedBatchNorm does. With one
    process nothing is replaced.
    """
    if world_size() == 1:
        return
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
        axes = [axis for axis in range(x.ndim) if axis != 1]
        mean = differentiable_all_reduce(x.mean(axes)) / world_size()
        centred = x - expand_channels(mean, x)
        variance = differentiable_all_reduce((centred * centred).mean(axes)) / world_size()
        with paddle.no_grad():
            for average, of_batch in ((self._mean, mean), (self._variance, variance)):
                average.set_value(self._momentum * average + (1 - self._momentum) * of_batch)
        scale = self.weight * paddle.rsqrt(variance + self._epsilon)
        return centred * expand_channels(scale, x) + expand_channels(self.bias, x)
