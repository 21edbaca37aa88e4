"""One branch of the paper's network (Fig. 6): conv1 3x3 - pool1 - conv2 3x3 - pool2 - fc3 - dropout - output.

Convolutions and fully connected layers, the output included, carry batch normalisation instead of a bias.
"""

import math

import paddle
from paddle import nn
from paddle.nn import functional

from lung_ssp.classification.settings import ClassifierSettings
from lung_ssp.training.batch_norm import BatchNorm, pooled_then_normalised, signs
from lung_ssp.training.cpu_kernels import max_pool, on_cpu
from lung_ssp.training.dropout import Dropout

STAGES = ("conv1", "pool1", "conv2", "pool2", "fc3")


def he_normal(fan_in: int) -> nn.initializer.Initializer:
    """He initialisation with a normal distribution truncated at two deviations and rescaled to keep its variance."""
    return nn.initializer.TruncatedNormal(std=math.sqrt(1.3 * 2.0 / fan_in))


class Trunk(nn.Layer):
    """conv1 to fc3 of one branch.

    Args:
        rectify_first: put ReLU before the pooling. Maximum and ReLU commute, so without a unit between them ReLU
            is cheaper after the pooling, on a quarter of the elements.
        in_channels: of the input, 1 for a section and 3 for a tile of a slide.
    """

    def __init__(self, settings: ClassifierSettings, rectify_first: bool, in_channels: int = 1) -> None:
        super().__init__()
        channels_1, channels_2 = settings.conv_channels
        flat = channels_2 * (settings.image_size // 4) ** 2
        self.rectify_first = rectify_first
        self._conv1 = nn.Conv2D(
            in_channels, channels_1, 3, padding=1, bias_attr=False, weight_attr=he_normal(9 * in_channels)
        )
        self._bn1 = nn.BatchNorm2D(channels_1, settings.batch_norm_momentum, settings.batch_norm_epsilon)
        self._conv2 = nn.Conv2D(
            channels_1, channels_2, 3, padding=1, bias_attr=False, weight_attr=he_normal(9 * channels_1)
        )
        self._bn2 = nn.BatchNorm2D(channels_2, settings.batch_norm_momentum, settings.batch_norm_epsilon)
        self._fc3 = nn.Linear(flat, settings.fully_connected, bias_attr=False, weight_attr=he_normal(flat))
        self._bn3 = nn.BatchNorm1D(settings.fully_connected, settings.batch_norm_momentum, settings.batch_norm_epsilon)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """All stages: (n, in_channels, size, size) -> (n, features)."""
        for name in STAGES:
            x = self.stage(name, x)
        return x

    def stage(self, name: str, x: paddle.Tensor) -> paddle.Tensor:
        """Run one stage of STAGES."""
        return getattr(self, name)(x)

    def conv1(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, in_channels, size, size) -> (n, channels, size, size)."""
        return self._convolved(self._conv1, self._bn1, x)

    def pool1(self, x: paddle.Tensor) -> paddle.Tensor:
        """Halve height and width."""
        return self._pooled(self._bn1, x)

    def conv2(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, channels, size / 2, size / 2) -> (n, more channels, size / 2, size / 2)."""
        return self._convolved(self._conv2, self._bn2, x)

    def pool2(self, x: paddle.Tensor) -> paddle.Tensor:
        """Halve height and width."""
        return self._pooled(self._bn2, x)

    def fc3(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, channels, size / 4, size / 4) -> (n, features)."""
        return functional.relu(self._bn3(self._fc3(x.flatten(1))))

    def decayed_weights(self) -> list[paddle.Tensor]:
        """The weights that carry the L2 penalty."""
        return [self._conv1.weight, self._conv2.weight, self._fc3.weight]

    def _convolved(self, convolution: nn.Conv2D, norm: BatchNorm, x: paddle.Tensor) -> paddle.Tensor:
        if self._pools_first(x):
            weight = convolution.weight * signs(norm).reshape([-1, 1, 1, 1])
            return functional.conv2d(x, weight, padding=1)
        x = norm(convolution(x))
        return functional.relu(x) if self.rectify_first else x

    def _pooled(self, norm: BatchNorm, x: paddle.Tensor) -> paddle.Tensor:
        if self._pools_first(x):
            return functional.relu(pooled_then_normalised(x, norm))
        return max_pool(x) if self.rectify_first else functional.relu(max_pool(x))

    def _pools_first(self, x: paddle.Tensor) -> bool:
        """Whether the normalisation, too, comes after the pooling: in training on a CPU, no unit between them."""
        return self.training and on_cpu(x) and not self.rectify_first


class Head(nn.Layer):
    """Dropout and the output layer of one task."""

    def __init__(self, settings: ClassifierSettings, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self._dropout = Dropout(1.0 - settings.keep_probability)
        self._fc4 = nn.Linear(
            settings.fully_connected, classes, bias_attr=False, weight_attr=he_normal(settings.fully_connected)
        )
        self._bn4 = nn.BatchNorm1D(classes, settings.batch_norm_momentum, settings.batch_norm_epsilon)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, features) -> logits (n, classes)."""
        return self._bn4(self._fc4(self._dropout(x)))

    def decayed_weights(self) -> list[paddle.Tensor]:
        """The weights that carry the L2 penalty."""
        return [self._fc4.weight]
