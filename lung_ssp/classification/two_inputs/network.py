"""The two-branch network with two inputs.

The image branch sees a CT section, the pathology branch a tile of the patient's pathology slide. A section whose
patient has no slide goes through the image branch alone, in training and evaluation alike: in each cross-stitch unit
the image branch's own activation takes the place of the missing one.
"""

import math

import cv2
import numpy as np
import paddle
from paddle import nn

from lung_ssp.classification.branches import STAGES
from lung_ssp.classification.networks import TwoBranchNetwork
from lung_ssp.classification.settings import ClassifierSettings

TILE_CHANNELS = 3  # red, green, blue


class TwoInputClassifier(TwoBranchNetwork):
    """Image diagnosis of a CT section and pathology diagnosis of a tile, sharing as `settings.sharing` says.

    `slide_mean` and `slide_deviation` (3,) are the z-score of each channel of the training tiles.
    """

    diagnosed_tasks = ("image",)

    def __init__(self, settings: ClassifierSettings) -> None:
        super().__init__(settings, pathology_channels=TILE_CHANNELS)
        self.register_buffer("slide_mean", paddle.zeros([TILE_CHANNELS]))
        self.register_buffer("slide_deviation", paddle.ones([TILE_CHANNELS]))

    def forward(
        self, sections: paddle.Tensor, slides: paddle.Tensor | None = None, has_slide: paddle.Tensor | None = None
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Logits of both tasks.

        Args:
            sections: float32 (n, 1, size, size), scaled to 0..1 (ct/section.py).
            slides: float32 (n, 3, size, size), 0..1, tiles of the patients' slides; None: nobody has a slide.
            has_slide: bool (n,), which sections have a tile; the other rows of `slides` are ignored.

        Returns:
            image diagnosis (n, classes) and pathology diagnosis (n, classes), before softmax. The pathology logits of
            a section without a tile are NaN: there is no pathology diagnosis.
        """
        image = (sections - self.mean) / self.deviation
        missing = paddle.full([len(sections), self.heads["pathology"].classes], math.nan)
        if slides is None or has_slide is None or not bool(has_slide.any()):
            return self._image_logits(image), missing
        rows = paddle.nonzero(has_slide).flatten()
        mean, deviation = (
            values.reshape([1, TILE_CHANNELS, 1, 1]) for values in (self.slide_mean, self.slide_deviation)
        )
        pathology = (paddle.gather(slides, rows) - mean) / deviation
        for stage in STAGES:
            image = self.trunks["image"].stage(stage, image)
            pathology = self.trunks["pathology"].stage(stage, pathology)
            if stage in self.units:
                image, pathology = combine_rows(self.units[stage], image, pathology, rows)
        image_logits = self.heads["image"](image)
        return image_logits, paddle.scatter(missing, rows, self.heads["pathology"](pathology))

    def _image_logits(self, image: paddle.Tensor) -> paddle.Tensor:
        """The image diagnosis where no section has a slide."""
        for stage in STAGES:
            image = self.trunks["image"].stage(stage, image)
            if stage in self.units:
                image = combine_alone(self.units[stage], image)
        return self.heads["image"](image)

    def set_slide_normalisation(self, tiles: np.ndarray) -> None:
        """Take the z-score of each channel from training tiles, uint8 (n, size, size, 3)."""
        mean, deviation = (values.ravel() / 255 for values in cv2.meanStdDev(tiles.reshape(-1, 1, TILE_CHANNELS)))
        self.slide_mean.set_value(mean.astype(np.float32))
        self.slide_deviation.set_value(np.where(deviation > 0, deviation, 1).astype(np.float32))


def combine_rows(
    unit: nn.Layer, image: paddle.Tensor, pathology: paddle.Tensor, rows: paddle.Tensor
) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Combine the activations of both branches, of which only some samples have the second.

    Args:
        unit: a CrossStitch or DenseCrossStitch.
        image: (n, ...), of all samples.
        pathology: (m, ...), of the samples `rows`.
        rows: int64 (m,), rising, at least one.

    Returns:
        the image branch's new activation (n, ...), the other samples' as of `combine_alone`; and the pathology
        branch's (m, ...).
    """
    new_image, new_pathology = unit(image, paddle.scatter(image, rows, pathology))
    return new_image, paddle.gather(new_pathology, rows)


def combine_alone(unit: nn.Layer, image: paddle.Tensor) -> paddle.Tensor:
    """Combine the image branch's activation (n, ...) with itself: image' = (alpha_AA + alpha_AB) image.

    The scale is kept: where a row of alphas sums to 1, the unit changes nothing.
    """
    return unit(image, image)[0]
