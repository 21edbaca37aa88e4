"""The parts that both U-Nets are made of."""

import paddle
import paddle.nn.functional as F
from paddle import nn

from lung_ssp.training.cpu_kernels import expand_channels, max_pool, on_cpu

LEVELS = 5  # four downsamplings and four upsamplings between five sizes


class Convolution(nn.Conv2D):
    """Conv2D of stride 1 that keeps the size, in the form that is fastest on a CPU; a GPU takes Paddle's own.

    Paddle's CPU kernel unfolds the input, and folds its gradient: all the input's channels, nine times for a 3x3. Where
    the result has far fewer channels, the same convolution as a transposed one, with the kernel turned by 180 degrees
    and its channels exchanged, unfolds and folds those fewer ones.
    """

    def __init__(self, in_channels: int, out_channels: int, size: int, bias_attr: bool | None = None) -> None:
        super().__init__(in_channels, out_channels, size, padding=size // 2, bias_attr=bias_attr)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, in_channels, h, w) to (n, out_channels, h, w)."""
        if not on_cpu(x):
            return nn.Conv2D.forward(self, x)  # tracing does not know super()
        if self._is_faster_transposed(x.shape[2] * x.shape[3]):
            turned = paddle.flip(self.weight, [2, 3]).transpose([1, 0, 2, 3])
            return with_offset(F.conv2d_transpose(x, turned, padding=self._padding), self.bias)
        return with_offset(F.conv2d(x, self.weight, padding=self._padding), self.bias)

    def _is_faster_transposed(self, pixels: int) -> bool:
        """Whether fewer channels are folded, on an image large enough that turning the kernel does not matter."""
        return 2 * self._out_channels <= self._in_channels and 4 * self._out_channels <= pixels


class UpConvolution(nn.Conv2DTranspose):
    """Conv2DTranspose that doubles the size, its offset added as is fast on a CPU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 2, stride=2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, in_channels, h, w) to (n, out_channels, 2 h, 2 w)."""
        if not on_cpu(x):
            return nn.Conv2DTranspose.forward(self, x)
        return with_offset(F.conv2d_transpose(x, self.weight, stride=2), self.bias)


def with_offset(x: paddle.Tensor, offset: paddle.Tensor | None) -> paddle.Tensor:
    """Add one offset a channel, if there is any."""
    return x if offset is None else x + expand_channels(offset, x)


class Convolutions(nn.Layer):
    """Two 3x3 convolutions, each followed by a ReLU and, where asked for, batch normalisation before it."""

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Layer] = []
        for channels in (in_channels, out_channels):
            # the normalisation has an offset of its own, so the convolution before it needs none
            layers.append(Convolution(channels, out_channels, 3, bias_attr=False if batch_norm else None))
            if batch_norm:
                layers.append(nn.BatchNorm2D(out_channels))
            layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, in_channels, h, w) to (n, out_channels, h, w)."""
        return self.layers(x)


class Encoder(nn.Layer):
    """Feature extraction: convolutions at five sizes, max-pooling by 2 and twice the channels from each to the next."""

    def __init__(self, in_channels: int, width: int, batch_norm: bool) -> None:
        super().__init__()
        widths = level_widths(width)
        inputs = [in_channels, *widths[:-1]]
        self.levels = nn.LayerList(
            [Convolutions(before, after, batch_norm) for before, after in zip(inputs, widths, strict=True)]
        )

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """The features of each size, the full one first."""
        features = [self.levels[0](x)]
        for level in list(self.levels)[1:]:
            features.append(level(halve(features[-1])))
        return features


class Decoder(nn.Layer):
    """Four times: up-convolution that halves the channels, the encoder's features of that size beside it, a block.

    Args:
        width: channels of the full size.
        blocks: what follows each upsampling, the smallest size first; each takes twice its level's channels and gives
            them back halved.
    """

    def __init__(self, width: int, blocks: list[nn.Layer]) -> None:
        super().__init__()
        widths = level_widths(width)
        self.upsamplings = nn.LayerList([UpConvolution(2 * channels, channels) for channels in reversed(widths[:-1])])
        self.blocks = nn.LayerList(blocks)

    def forward(self, features: list[paddle.Tensor], region: paddle.Tensor | None = None) -> paddle.Tensor:
        """The encoder's features, the full size first, to (n, width, h, w).

        Args:
            region: int64 (4,), the first row and column and those after the last of the part of the image that is
                asked for, in steps of two pixels; None: the whole. The two largest sizes, which take most of the time,
                are computed there alone. They see nothing beyond it: what lies at most as far from its border as
                their convolutions reach (`reach_of` in `segmentation/predict.py`) differs from the whole.
        """
        x = features[-1]
        for step in range(LEVELS - 1):  # plain indices: Paddle's tracing to a static graph knows no strict zip
            level = LEVELS - 2 - step
            copy, x = features[level], self.upsamplings[step](x)
            if region is not None and level <= 1:
                copy = part_of(copy, region * (2 - level))
                x = part_of(x, region) if level == 1 else x
            else:
                x = crop_to(x, copy)
            x = self.blocks[step](paddle.concat([copy, x], axis=1))
        return x


def part_of(x: paddle.Tensor, region: paddle.Tensor) -> paddle.Tensor:
    """The part of x (n, channels, h, w) from the first row and column of a region (4,) to those after its last."""
    return paddle.slice(x, [2, 3], region[:2], region[2:])


def level_widths(width: int) -> list[int]:
    """The channels of each size, the full one first: doubled with each downsampling."""
    return [width * 2**level for level in range(LEVELS)]


def halve(x: paddle.Tensor) -> paddle.Tensor:
    """Max-pooling by 2; an odd row or column at the end is pooled alone, so that nothing is lost."""
    bottom, right = x.shape[2] % 2, x.shape[3] % 2
    if bottom or right:
        x = F.pad(x, [0, right, 0, bottom], mode="replicate")
    return max_pool(x)


def crop_to(x: paddle.Tensor, reference: paddle.Tensor) -> paddle.Tensor:
    """Drop the row or column that upsampling an odd size adds."""
    if x.shape[2:] == reference.shape[2:]:
        return x
    return x[:, :, : reference.shape[2], : reference.shape[3]]
