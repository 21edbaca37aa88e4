"""The U-Net and the improved U-Net (paper section 3), known to PaddleSeg as `UNet` and `ImprovedUNet`.

PaddleSeg has a class of the name `UNet` already (13 million weights, batch normalisation throughout). This one, the
paper's, takes its place in PaddleSeg's registry on purpose: a configuration that says `UNet` means the paper's Fig. 2.
"""

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddleseg.cvlibs import manager

from lung_ssp.segmentation.layers import Convolution, Convolutions, Decoder, Encoder, level_widths
from lung_ssp.segmentation.traced import traced_dense_block

manager.MODELS.components_dict.pop("UNet", None)  # or add_component warns that it is replaced


@manager.MODELS.add_component
class UNet(nn.Layer):
    """U-Net (paper Fig. 2; Ronneberger et al., MICCAI 2015), without normalisation.

    Convolutions are padded, so that the result has the size of the image; for an odd size "copy and crop" cuts what
    upsampling adds. The arguments are those of UNetSettings.
    """

    def __init__(self, num_classes: int, in_channels: int, width: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.encoder = Encoder(in_channels, width, batch_norm=False)
        widths = reversed(level_widths(width)[:-1])
        self.decoder = Decoder(width, [Convolutions(2 * channels, channels, batch_norm=False) for channels in widths])
        self.classifier = Convolution(width, num_classes, 1)

    def forward(self, x: paddle.Tensor, region: paddle.Tensor | None = None) -> list[paddle.Tensor]:
        """Images (n, in_channels, h, w) to a list with the logits (n, num_classes, h, w), as PaddleSeg expects.

        With a `region`, to the logits of that part of the images alone (`Decoder`).
        """
        return [self.classifier(self.decoder(self.encoder(x), region))]


@manager.MODELS.add_component
class ImprovedUNet(nn.Layer):
    """The improved U-Net (paper Fig. 3): batch normalisation in the encoder, dense blocks in the decoder.

    The arguments are those of ImprovedUNetSettings.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        width: int,
        growth_rate: int,
        dense_layers: int,
        decoder_batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.encoder = Encoder(in_channels, width, batch_norm=True)
        widths = reversed(level_widths(width)[:-1])
        blocks = [
            DenseBlock(2 * channels, channels, growth_rate, dense_layers, decoder_batch_norm) for channels in widths
        ]
        self.decoder = Decoder(width, blocks)
        self.classifier = Convolution(width, num_classes, 1)

    def forward(self, x: paddle.Tensor, region: paddle.Tensor | None = None) -> list[paddle.Tensor]:
        """Images (n, in_channels, h, w) to a list with the logits (n, num_classes, h, w), as PaddleSeg expects.

        With a `region`, to the logits of that part of the images alone (`Decoder`).
        """
        return [self.classifier(self.decoder(self.encoder(x), region))]


class DenseBlock(nn.Layer):
    """Layers that each see all that came before (Huang et al., CVPR 2017), then a 1x1 convolution.

    Each layer is a 3x3 convolution and a ReLU. The paper puts batch normalisation into the encoder only; where asked
    for, it stands before each ReLU here as well, as in the dense blocks of Huang et al.
    """

    def __init__(
        self, in_channels: int, out_channels: int, growth_rate: int, layers: int, batch_norm: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.LayerList(
            [_convolution(in_channels + layer * growth_rate, growth_rate, 3, batch_norm) for layer in range(layers)]
        )
        self.transition = _convolution(in_channels + layers * growth_rate, out_channels, 1, batch_norm)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, in_channels, h, w) to (n, out_channels, h, w)."""
        if not paddle.in_dynamic_mode() and not self.training:  # for an export
            return traced_dense_block(x, [*self.layers, self.transition])
        for layer in self.layers:
            x = paddle.concat([x, F.relu(layer(x))], axis=1)
        return F.relu(self.transition(x))


def _convolution(in_channels: int, out_channels: int, size: int, batch_norm: bool) -> nn.Layer:
    if not batch_norm:
        return Convolution(in_channels, out_channels, size)
    return nn.Sequential(Convolution(in_channels, out_channels, size, bias_attr=False), nn.BatchNorm2D(out_channels))
