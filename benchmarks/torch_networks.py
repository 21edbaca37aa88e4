"""The package's networks once more in PyTorch, as one writes them there: the other side of a comparison of speed.

Their parts carry the names of the originals' parts, so that weights are copied by name. Loading this module needs
PyTorch.
"""

import math

import paddle
import torch
from torch import nn
from torch.nn import functional

from lung_ssp.classification.networks import STAGES, UNITS, activation_shape
from lung_ssp.classification.settings import ClassifierSettings
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.errors import ConfigError
from lung_ssp.segmentation.layers import level_widths
from lung_ssp.segmentation.settings import ImprovedUNetSettings, UNetSettings

BATCH_NORM_MOMENTUM = 0.1  # Paddle's default in PyTorch's words: the share that the new statistics get
BATCH_NORM_OF_PADDLE = {"_mean": "running_mean", "_variance": "running_var"}


def torch_classifier(settings: ClassifierSettings) -> nn.Module:
    """The two-task classifier of one input: sections (n, 1, size, size) to the logits of both tasks.

    Raises:
        ConfigError: the network takes slides.
    """
    if settings.takes_slides:
        raise ConfigError("The comparison with PyTorch has no TwoInputClassifier: set model.type to TwoTaskClassifier.")
    return Classifier(settings)


def torch_unet(settings: UNetSettings | ImprovedUNetSettings) -> nn.Module:
    """The U-Net or the improved U-Net: images (n, channels, h, w) to logits (n, 2, h, w)."""
    return UNet(settings)


def copy_weights(paddle_network: paddle.nn.Layer, torch_network: nn.Module) -> None:
    """Give the PyTorch network the parameters and buffers of its original.

    The moving variance is copied as it stands, though the two move it differently while training: PyTorch takes the
    unbiased variance of a batch, Paddle the biased one. Training itself uses neither.
    """
    linear = {name for name, layer in paddle_network.named_sublayers() if isinstance(layer, paddle.nn.Linear)}
    # PyTorch's normalisations count their batches, which plays no part with a fixed momentum
    state = {name: value for name, value in torch_network.state_dict().items() if name.endswith("num_batches_tracked")}
    for name, value in paddle_network.state_dict().items():
        layer, _, kind = name.rpartition(".")
        array = torch.from_numpy(value.numpy())
        # Paddle's fully connected weight is (inputs, outputs), PyTorch's (outputs, inputs)
        of_linear = layer in linear and kind == "weight"
        state[f"{layer}.{BATCH_NORM_OF_PADDLE.get(kind, kind)}".lstrip(".")] = array.T if of_linear else array
    torch_network.load_state_dict(state)


class Trunk(nn.Module):
    """conv1 to fc3 of one branch."""

    def __init__(self, settings: ClassifierSettings) -> None:
        super().__init__()
        channels_1, channels_2 = settings.conv_channels
        epsilon, momentum = settings.batch_norm_epsilon, 1.0 - settings.batch_norm_momentum
        self._conv1 = nn.Conv2d(1, channels_1, 3, padding=1, bias=False)
        self._bn1 = nn.BatchNorm2d(channels_1, epsilon, momentum)
        self._conv2 = nn.Conv2d(channels_1, channels_2, 3, padding=1, bias=False)
        self._bn2 = nn.BatchNorm2d(channels_2, epsilon, momentum)
        self._fc3 = nn.Linear(channels_2 * (settings.image_size // 4) ** 2, settings.fully_connected, bias=False)
        self._bn3 = nn.BatchNorm1d(settings.fully_connected, epsilon, momentum)

    def forward(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Run one stage of STAGES."""
        if name == "conv1":
            return functional.relu(self._bn1(self._conv1(x)))
        if name == "conv2":
            return functional.relu(self._bn2(self._conv2(x)))
        if name == "fc3":
            return functional.relu(self._bn3(self._fc3(x.flatten(1))))
        return functional.max_pool2d(x, 2)


class Head(nn.Module):
    """Dropout and the output layer of one task."""

    def __init__(self, settings: ClassifierSettings, classes: int) -> None:
        super().__init__()
        epsilon, momentum = settings.batch_norm_epsilon, 1.0 - settings.batch_norm_momentum
        self._dropout = nn.Dropout(1.0 - settings.keep_probability)
        self._fc4 = nn.Linear(settings.fully_connected, classes, bias=False)
        self._bn4 = nn.BatchNorm1d(classes, epsilon, momentum)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, features) to logits (n, classes)."""
        return self._bn4(self._fc4(self._dropout(x)))


class CrossStitch(nn.Module):
    """A 2x2 of alphas for the layer or for each channel; `alphas` as in classification/cross_stitch.py."""

    def __init__(self, settings: ClassifierSettings, channels: int | None) -> None:
        super().__init__()
        initial = torch.tensor(settings.alphas.initial)
        if channels is not None:
            initial = initial[:, :, None].repeat(1, 1, channels)
        self.alphas = nn.Parameter(initial)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Combine two activations of one shape."""
        channels = self.alphas.shape[2] if self.alphas.ndim == 3 else 1
        alphas = self.alphas.reshape(2, 2, 1, channels, *[1] * (a.ndim - 2))
        return alphas[0, 0] * a + alphas[0, 1] * b, alphas[1, 0] * a + alphas[1, 1] * b


class DenseCrossStitch(nn.Module):
    """A dense matrix over both tasks' flattened activations."""

    def __init__(self, settings: ClassifierSettings, features: int) -> None:
        super().__init__()
        self.alphas = nn.Parameter(
            torch.kron(torch.tensor(settings.alphas.initial).T.contiguous(), torch.eye(features))
        )

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Combine two activations of one shape."""
        new_a, new_b = (torch.cat([a.flatten(1), b.flatten(1)], dim=1) @ self.alphas).chunk(2, dim=1)
        return new_a.reshape(a.shape), new_b.reshape(b.shape)


class Classifier(nn.Module):
    """The two branches in the four modes of sharing."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, settings: ClassifierSettings) -> None:
        super().__init__()
        trunk_names = ("shared",) if settings.sharing == "hard_sharing" else TASK_NAMES
        self.trunks = nn.ModuleDict({name: Trunk(settings) for name in trunk_names})
        self.heads = nn.ModuleDict({name: Head(settings, getattr(settings.num_classes, name)) for name in TASK_NAMES})
        self.units = nn.ModuleDict({stage: _unit(settings, stage) for stage in UNITS[settings.sharing]})
        size = settings.image_size
        self.register_buffer("mean", torch.zeros(size, size))
        self.register_buffer("deviation", torch.ones(size, size))

    def forward(self, sections: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Sections (n, 1, size, size) to the logits (n, classes) of image and pathology diagnosis."""
        scored = (sections - self.mean) / self.deviation
        if "shared" in self.trunks:
            features = scored
            for stage in STAGES:
                features = self.trunks["shared"](stage, features)
            return self.heads["image"](features), self.heads["pathology"](features)
        a, b = scored, scored
        for stage in STAGES:
            a, b = self.trunks["image"](stage, a), self.trunks["pathology"](stage, b)
            if stage in self.units:
                a, b = self.units[stage](a, b)
        return self.heads["image"](a), self.heads["pathology"](b)


def _unit(settings: ClassifierSettings, stage: str) -> nn.Module:
    shape = activation_shape(settings, stage)
    if settings.alphas.granularity == "dense":
        return DenseCrossStitch(settings, math.prod(shape))
    return CrossStitch(settings, shape[0] if settings.alphas.granularity == "channel" else None)


class Convolutions(nn.Module):
    """Two 3x3 convolutions, each with a ReLU and, where asked for, batch normalisation before it."""

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (in_channels, out_channels):
            layers.append(nn.Conv2d(channels, out_channels, 3, padding=1, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(out_channels, momentum=BATCH_NORM_MOMENTUM))
            layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, in_channels, h, w) to (n, out_channels, h, w)."""
        return self.layers(x)


class DenseBlock(nn.Module):
    """Layers that each see all that came before, then a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, growth_rate: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Conv2d(in_channels + layer * growth_rate, growth_rate, 3, padding=1) for layer in range(layers)]
        )
        self.transition = nn.Conv2d(in_channels + layers * growth_rate, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, in_channels, h, w) to (n, out_channels, h, w)."""
        for layer in self.layers:
            x = torch.cat([x, functional.relu(layer(x))], dim=1)
        return functional.relu(self.transition(x))


class Encoder(nn.Module):
    """Convolutions at five sizes, with max-pooling by 2 between them."""

    def __init__(self, in_channels: int, width: int, batch_norm: bool) -> None:
        super().__init__()
        widths = level_widths(width)
        inputs = [in_channels, *widths[:-1]]
        self.levels = nn.ModuleList(
            [Convolutions(before, after, batch_norm) for before, after in zip(inputs, widths, strict=True)]
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The features of each size, the full one first."""
        features: list[torch.Tensor] = []
        for level in self.levels:
            features.append(level(functional.max_pool2d(features[-1], 2, ceil_mode=True) if features else x))
        return features


class Decoder(nn.Module):
    """Four times: up-convolution, the encoder's features of that size beside it, a block."""

    def __init__(self, width: int, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.upsamplings = nn.ModuleList(
            [nn.ConvTranspose2d(2 * channels, channels, 2, stride=2) for channels in reversed(level_widths(width)[:-1])]
        )
        self.blocks = nn.ModuleList(blocks)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """The encoder's features, the full size first, to (n, width, h, w)."""
        *copies, x = features
        for upsampling, block, copy in zip(self.upsamplings, self.blocks, reversed(copies), strict=True):
            grown = upsampling(x)[:, :, : copy.shape[2], : copy.shape[3]]
            x = block(torch.cat([copy, grown], dim=1))
        return x


class UNet(nn.Module):
    """Either of the two U-Nets."""

    def __init__(self, settings: UNetSettings | ImprovedUNetSettings) -> None:
        super().__init__()
        width = settings.width
        self.encoder = Encoder(settings.in_channels, width, isinstance(settings, ImprovedUNetSettings))
        self.decoder = Decoder(width, [_block(settings, channels) for channels in reversed(level_widths(width)[:-1])])
        self.classifier = nn.Conv2d(width, settings.num_classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (n, channels, h, w) to logits (n, classes, h, w)."""
        return self.classifier(self.decoder(self.encoder(images)))


def _block(settings: UNetSettings | ImprovedUNetSettings, channels: int) -> nn.Module:
    if isinstance(settings, ImprovedUNetSettings):
        return DenseBlock(2 * channels, channels, settings.growth_rate, settings.dense_layers)
    return Convolutions(2 * channels, channels, batch_norm=False)
