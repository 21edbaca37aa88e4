"""The two-branch network of the paper's section 4 (Figs. 5 and 6) in its four ways of sharing, with one input or two.

Per task: conv1 3x3 - pool1 - conv2 3x3 - pool2 - fc3 - dropout - output. Convolutions and fully connected layers,
the output included, carry batch normalisation instead of a bias.

With one input both branches see the section. With two, the pathology branch sees a patch of the patient's pathology
slide. A section whose patient has no slide passes the image branch alone, in training and later alike: in each
cross-stitch unit the image branch's own activation stands in for the missing one.
"""

import math

import cv2
import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional

from lung_ssp.classification.cross_stitch import CrossStitch, DenseCrossStitch, stitched_where_both_are
from lung_ssp.classification.settings import ClassifierSettings
from lung_ssp.cohort.classes import TASK_NAMES

STAGES = ("conv1", "pool1", "conv2", "pool2", "fc3")

# Which stages a unit follows. The output layer never has one: the tasks' classes are not the same question.
UNITS = {
    "single_task": (),
    "hard_sharing": (),
    "full_soft_sharing": STAGES,
    "partial_soft_sharing": ("pool1", "pool2", "fc3"),
}


def he_normal(fan_in: int) -> nn.initializer.Initializer:
    """He initialisation with a normal distribution cut at two deviations and widened to keep its variance."""
    return nn.initializer.TruncatedNormal(std=math.sqrt(1.3 * 2.0 / fan_in))


def pool(x: paddle.Tensor) -> paddle.Tensor:
    """2x2 maximum; asking for its mask makes Paddle take the kernel whose gradient is fast on a CPU."""
    return functional.max_pool2d(x, 2, return_mask=True)[0]


class Trunk(nn.Layer):
    """conv1 to fc3 of one branch.

    Args:
        settings: of the network.
        rectify_first: put ReLU before the pooling. Maximum and ReLU commute, so without a unit between them ReLU
            is cheaper after the pooling, on a quarter of the elements.
        colours: channels of the input, 1 for a section and 3 for a patch of a slide.
    """

    def __init__(self, settings: ClassifierSettings, rectify_first: bool, colours: int = 1) -> None:
        super().__init__()
        channels_1, channels_2 = settings.conv_channels
        flat = channels_2 * (settings.image_size // 4) ** 2
        self.rectify_first = rectify_first
        self._conv1 = nn.Conv2D(colours, channels_1, 3, padding=1, bias_attr=False, weight_attr=he_normal(9 * colours))
        self._bn1 = nn.BatchNorm2D(channels_1, settings.batch_norm_momentum, settings.batch_norm_epsilon)
        self._conv2 = nn.Conv2D(
            channels_1, channels_2, 3, padding=1, bias_attr=False, weight_attr=he_normal(9 * channels_1)
        )
        self._bn2 = nn.BatchNorm2D(channels_2, settings.batch_norm_momentum, settings.batch_norm_epsilon)
        self._fc3 = nn.Linear(flat, settings.fully_connected, bias_attr=False, weight_attr=he_normal(flat))
        self._bn3 = nn.BatchNorm1D(settings.fully_connected, settings.batch_norm_momentum, settings.batch_norm_epsilon)

    def stage(self, name: str, x: paddle.Tensor) -> paddle.Tensor:
        """Run one stage of STAGES."""
        return getattr(self, name)(x)

    def conv1(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, colours, size, size) -> (n, channels, size, size)."""
        return self._convolved(self._bn1(self._conv1(x)))

    def pool1(self, x: paddle.Tensor) -> paddle.Tensor:
        """Halve height and width."""
        return self._pooled(x)

    def conv2(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, channels, size / 2, size / 2) -> (n, more channels, size / 2, size / 2)."""
        return self._convolved(self._bn2(self._conv2(x)))

    def pool2(self, x: paddle.Tensor) -> paddle.Tensor:
        """Halve height and width."""
        return self._pooled(x)

    def fc3(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, channels, size / 4, size / 4) -> (n, features)."""
        return functional.relu(self._bn3(self._fc3(x.flatten(1))))

    def _convolved(self, x: paddle.Tensor) -> paddle.Tensor:
        return functional.relu(x) if self.rectify_first else x

    def _pooled(self, x: paddle.Tensor) -> paddle.Tensor:
        return pool(x) if self.rectify_first else functional.relu(pool(x))


class Head(nn.Layer):
    """Dropout and the output layer of one task."""

    def __init__(self, settings: ClassifierSettings, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self._dropout = nn.Dropout(1.0 - settings.keep_probability)
        self._fc4 = nn.Linear(
            settings.fully_connected, classes, bias_attr=False, weight_attr=he_normal(settings.fully_connected)
        )
        self._bn4 = nn.BatchNorm1D(classes, settings.batch_norm_momentum, settings.batch_norm_epsilon)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, features) -> logits (n, classes)."""
        return self._bn4(self._fc4(self._dropout(x)))


class TwoTaskClassifier(nn.Layer):
    """Image diagnosis and pathology diagnosis of a lesion, sharing as `settings.sharing` says.

    The weights of one task stand under `trunks.<task>` and `heads.<task>` in every mode but hard sharing, whose one
    trunk is `trunks.shared`; the units under `units.<stage>`. `mean` and `deviation` (size, size) are the per-pixel
    z-score of the training sections; with two inputs, `slide_mean` and `slide_deviation` (3,) are the z-score of each
    colour of the training patches.
    """

    def __init__(self, settings: ClassifierSettings) -> None:
        super().__init__()
        self.sharing, self.two_inputs = settings.sharing, settings.two_inputs
        trunk_names = ("shared",) if settings.sharing == "hard_sharing" else TASK_NAMES
        rectify_first = "conv1" in UNITS[settings.sharing]
        colours = {"pathology": 3} if settings.two_inputs else {}
        self.trunks = nn.LayerDict({name: Trunk(settings, rectify_first, colours.get(name, 1)) for name in trunk_names})
        self.heads = nn.LayerDict({name: Head(settings, getattr(settings.num_classes, name)) for name in TASK_NAMES})
        self.units = nn.LayerDict({stage: make_unit(settings, stage) for stage in UNITS[settings.sharing]})
        pixels = [settings.image_size, settings.image_size]
        self.register_buffer("mean", paddle.zeros(pixels))
        self.register_buffer("deviation", paddle.ones(pixels))
        if settings.two_inputs:
            self.register_buffer("slide_mean", paddle.zeros([3]))
            self.register_buffer("slide_deviation", paddle.ones([3]))

    def forward(
        self, sections: paddle.Tensor, slides: paddle.Tensor | None = None, has_slide: paddle.Tensor | None = None
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Logits of both tasks.

        Args:
            sections: float32 (n, 1, size, size), scaled to 0..1 (ct/section.py).
            slides: float32 (n, 3, size, size), 0..1, patches of the patients' slides; for a network of two inputs.
            has_slide: bool (n,), for which sections there is a patch; what `slides` holds elsewhere is not looked at.
                None: for none.

        Returns:
            image diagnosis (n, classes) and pathology diagnosis (n, classes), before softmax. With two inputs the
            pathology diagnosis of a section without a patch is NaN: there is none.
        """
        scored = (sections - self.mean) / self.deviation
        if self.two_inputs:
            return self._of_two_inputs(scored, slides, has_slide)
        if self.sharing == "hard_sharing":
            features = scored
            for stage in STAGES:
                features = self.trunks["shared"].stage(stage, features)
            return self.heads["image"](features), self.heads["pathology"](features)
        a, b = scored, scored
        for stage in STAGES:
            a, b = self.trunks["image"].stage(stage, a), self.trunks["pathology"].stage(stage, b)
            if stage in self.units:
                a, b = self.units[stage](a, b)
        return self.heads["image"](a), self.heads["pathology"](b)

    def _of_two_inputs(
        self, a: paddle.Tensor, slides: paddle.Tensor | None, has_slide: paddle.Tensor | None
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        """The logits of both tasks; the pathology branch works on the rows with a slide alone."""
        rows = paddle.zeros([0], "int64") if has_slide is None else paddle.nonzero(has_slide).flatten()
        b = None
        if len(rows):
            colour = [1, 3, 1, 1]
            b = paddle.gather(slides, rows)
            b = (b - self.slide_mean.reshape(colour)) / self.slide_deviation.reshape(colour)
        for stage in STAGES:
            a = self.trunks["image"].stage(stage, a)
            b = None if b is None else self.trunks["pathology"].stage(stage, b)
            if stage in self.units:
                a, b = stitched_where_both_are(self.units[stage], a, b, rows)
        head = self.heads["pathology"]
        nothing = paddle.full([len(a), head.classes], math.nan)
        return self.heads["image"](a), nothing if b is None else paddle.scatter(nothing, rows, head(b))

    def set_normalisation(self, images: paddle.Tensor) -> None:
        """Take the per-pixel z-score from training sections (n, size, size); a constant pixel is left unscaled."""
        deviation = images.std(axis=0, unbiased=False)
        self.mean.set_value(images.mean(axis=0))
        self.deviation.set_value(paddle.where(deviation > 0, deviation, paddle.ones_like(deviation)))

    def set_slide_normalisation(self, patches: np.ndarray) -> None:
        """Take the z-score of each colour from training patches, uint8 (n, size, size, 3)."""
        mean, deviation = (values.ravel() / 255 for values in cv2.meanStdDev(patches.reshape(-1, 1, 3)))
        self.slide_mean.set_value(mean.astype(np.float32))
        self.slide_deviation.set_value(np.where(deviation > 0, deviation, 1).astype(np.float32))

    def decayed_weights(self) -> list[paddle.Tensor]:
        """The convolution and fully connected weights, which alone carry the L2 penalty."""
        layers = self.sublayers()
        return [layer.weight for layer in layers if isinstance(layer, nn.Conv2D | nn.Linear)]

    def alphas(self) -> dict[str, paddle.Tensor]:
        """The alphas of each unit by the stage it follows."""
        return {stage: unit.alphas for stage, unit in self.units.items()}


def make_unit(settings: ClassifierSettings, stage: str) -> nn.Layer:
    """The cross-stitch unit that follows `stage`, with the granularity of the settings."""
    alphas = settings.alphas
    shape = activation_shape(settings, stage)
    if alphas.granularity == "dense":
        return DenseCrossStitch(alphas.initial, shape, alphas.learning_rate_multiple)
    channels = shape[0] if alphas.granularity == "channel" else None
    return CrossStitch(alphas.initial, channels, alphas.learning_rate_multiple)


def activation_shape(settings: ClassifierSettings, stage: str) -> tuple[int, ...]:
    """Shape of one branch's activation after `stage`, without the batch axis."""
    size = settings.image_size
    channels_1, channels_2 = settings.conv_channels
    return {
        "conv1": (channels_1, size, size),
        "pool1": (channels_1, size // 2, size // 2),
        "conv2": (channels_2, size // 2, size // 2),
        "pool2": (channels_2, size // 4, size // 4),
        "fc3": (settings.fully_connected,),
    }[stage]
