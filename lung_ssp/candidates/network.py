"""The network of the false-positive reduction."""

import paddle
import paddle.nn.functional as F
from paddle import nn

from lung_ssp.candidates.settings import CandidateClassifierSettings, level_widths
from lung_ssp.ct.settings import PatchSettings
from lung_ssp.training.cpu_kernels import max_pool
from lung_ssp.training.dropout import Dropout


class CandidateClassifier(nn.Layer):
    """Slices around a candidate to the logit of a nodule.

    The slices are the channels of the image (2.5-D; Setio et al., IEEE TMI 2016, judge candidates by planes likewise).
    The last activation is not averaged over its pixels, for the candidate is in the middle.
    """

    def __init__(self, settings: CandidateClassifierSettings, patch: PatchSettings) -> None:
        super().__init__()
        widths = level_widths(settings.width)
        before = [patch.slices, *widths[:-1]]
        self.levels = nn.LayerList([_level(own, wider) for own, wider in zip(before, widths, strict=True)])
        side = patch.size // 2 ** (len(widths) - 1)
        self.dropout = Dropout(1 - settings.keep_probability)
        self.fully_connected = nn.Linear(side * side * widths[-1], settings.fully_connected)
        self.classifier = nn.Linear(settings.fully_connected, 1)

    def forward(self, patches: paddle.Tensor) -> tuple[paddle.Tensor]:
        """Patches (n, slices, size, size), 0..1, to logits (n, 1)."""
        x = patches
        for number, level in enumerate(self.levels):
            x = level(max_pool(x) if number else x)
        x = F.relu(self.fully_connected(self.dropout(x.flatten(1))))
        return (self.classifier(self.dropout(x)),)


def _level(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with batch normalisation and a ReLU."""
    layers: list[nn.Layer] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2D(channels, out_channels, 3, padding=1, bias_attr=False),
            nn.BatchNorm2D(out_channels),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)
