"""The two-branch network of the paper's section 4 (Figs. 5 and 6) in its four ways of sharing.

Image diagnosis and pathology diagnosis each have a branch (branches.py). Both branches see the same CT section; a
cross-stitch unit after a stage combines their activations linearly.
"""

import paddle
from paddle import nn

from lung_ssp.classification.branches import STAGES, Head, Trunk
from lung_ssp.classification.cross_stitch import BoundedCrossStitch, CrossStitch, DenseCrossStitch
from lung_ssp.classification.settings import ClassifierSettings
from lung_ssp.cohort.classes import TASK_NAMES

# The stages that a cross-stitch unit follows. "partial_soft_sharing" is the paper's: "share only in the pooling layer
# and the fully connected layer". The output layer never has a unit: the two tasks' classes need not be the same.
UNITS = {
    "single_task": (),
    "hard_sharing": (),
    "full_soft_sharing": ("conv1", "pool1", "conv2", "pool2", "fc3"),
    "partial_soft_sharing": ("pool1", "pool2", "fc3"),
}


class TwoBranchNetwork(nn.Layer):
    """The layers of a network with a branch for each task.

    The weights of one task stand under `trunks.<task>` and `heads.<task>` in every mode but hard sharing, whose one
    trunk is `trunks.shared`; the units under `units.<stage>`. `mean` and `deviation` (size, size) are the per-pixel
    z-score of the training sections.

    Args:
        pathology_channels: of the pathology branch's input.
    """

    diagnosed_tasks: tuple[str, ...] = TASK_NAMES  # of a CT section alone

    def __init__(self, settings: ClassifierSettings, pathology_channels: int = 1) -> None:
        super().__init__()
        self.sharing = settings.sharing
        trunk_names = ("shared",) if settings.sharing == "hard_sharing" else TASK_NAMES
        rectify_first = "conv1" in UNITS[settings.sharing]
        in_channels = {"shared": 1, "image": 1, "pathology": pathology_channels}
        self.trunks = nn.LayerDict({name: Trunk(settings, rectify_first, in_channels[name]) for name in trunk_names})
        self.heads = nn.LayerDict({name: Head(settings, getattr(settings.num_classes, name)) for name in TASK_NAMES})
        self.units = nn.LayerDict({stage: make_unit(settings, stage) for stage in UNITS[settings.sharing]})
        pixels = [settings.image_size, settings.image_size]
        self.register_buffer("mean", paddle.zeros(pixels))
        self.register_buffer("deviation", paddle.ones(pixels))

    def set_normalisation(self, images: paddle.Tensor) -> None:
        """Take the per-pixel z-score from training sections (n, size, size); a constant pixel is left unscaled."""
        deviation = images.std(axis=0, unbiased=False)
        self.mean.set_value(images.mean(axis=0))
        self.deviation.set_value(paddle.where(deviation > 0, deviation, paddle.ones_like(deviation)))

    def decayed_weights(self) -> list[paddle.Tensor]:
        """The convolution and fully connected weights, which alone carry the L2 penalty."""
        parts = (*self.trunks.values(), *self.heads.values())
        return [weight for part in parts for weight in part.decayed_weights()]

    def alphas(self) -> dict[str, paddle.Tensor]:
        """The alphas of each unit by the stage it follows."""
        return {stage: unit.alphas for stage, unit in self.units.items()}


class TwoTaskClassifier(TwoBranchNetwork):
    """Image diagnosis and pathology diagnosis of a CT section, sharing as `settings.sharing` says."""

    def forward(self, sections: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Logits of both tasks.

        Args:
            sections: float32 (n, 1, size, size), scaled to 0..1 (ct/section.py).

        Returns:
            image diagnosis (n, classes) and pathology diagnosis (n, classes), before softmax.
        """
        image = pathology = (sections - self.mean) / self.deviation
        if self.sharing == "hard_sharing":
            image = pathology = self.trunks["shared"](image)
        else:
            for stage in STAGES:
                image = self.trunks["image"].stage(stage, image)
                pathology = self.trunks["pathology"].stage(stage, pathology)
                if stage in self.units:
                    image, pathology = self.units[stage](image, pathology)
        return self.heads["image"](image), self.heads["pathology"](pathology)


def make_unit(settings: ClassifierSettings, stage: str) -> nn.Layer:
    """The cross-stitch unit that follows `stage`, with the granularity of the settings."""
    alphas = settings.alphas
    shape = activation_shape(settings, stage)
    if alphas.granularity == "dense":
        return DenseCrossStitch(alphas.initial, shape, alphas.learning_rate_multiple)
    channels = shape[0] if alphas.granularity == "channel" else None
    if alphas.least_sharing > 0:
        return BoundedCrossStitch(alphas.initial, channels, alphas.learning_rate_multiple, alphas.least_sharing)
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
