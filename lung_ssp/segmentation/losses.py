"""The loss: cross-entropy and the Dice of the nodules."""

from typing import Literal

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddleseg.cvlibs import manager

from lung_ssp.segmentation.settings import NODULE
from lung_ssp.training.distributed import differentiable_all_reduce
from lung_ssp.training.precision import as_float32

EPSILON = 1e-8  # where no pixel counts


@manager.LOSSES.add_component
class DiceCrossEntropyLoss(nn.Layer):
    """cross_entropy * mean cross-entropy of the pixels + dice * (1 - soft Dice of the nodules).

    The Dice is that of the whole batch's pixels together (dice_by "batch"), in which large nodules weigh most, or the
    mean over the patches ("patch"), in which a small nodule weighs as much as a large one, and a false pixel in a patch
    without nodules much.

    PaddleSeg's losses are not used. Its DiceLoss averages the background in, takes each image by itself (most have no
    nodule) and writes into the labels; its CrossEntropyLoss, whose bits these are, multiplies integers by floats, which
    Paddle 3 refuses. The result has shape [1]: PaddleSeg 2.8's training loop indexes it.

    The batch is that of all processes together (training/distributed.py).
    Its arguments are those of DiceCrossEntropyLossSettings.
    """

    def __init__(
        self,
        cross_entropy: float,
        dice: float,
        smooth: float,
        ignore_index: int,
        dice_by: Literal["batch", "patch"] = "batch",
    ) -> None:
        super().__init__()
        self.weights = (cross_entropy, dice)
        self.by_patch = dice_by == "patch"
        self.smooth = smooth
        self.ignore_index = ignore_index

    def forward(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        """Logits (n, 2, h, w) and int64 labels (n, h, w) to the loss, shape [1]."""
        cross_entropy, dice = self.weights
        logits = as_float32(logits)
        loss = cross_entropy * self.cross_entropy_loss(logits, labels) + dice * self.dice_loss(logits, labels)
        return loss.reshape([1])

    def cross_entropy_loss(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        """The cross-entropy's mean over the pixels that count."""
        counts = (labels != self.ignore_index).astype("float32")
        pixels = F.cross_entropy(
            logits.transpose([0, 2, 3, 1]), labels, ignore_index=self.ignore_index, reduction="none"
        ).squeeze(-1)
        entropy, counted = (pixels * counts).mean(), counts.mean()
        return differentiable_all_reduce(entropy) / (differentiable_all_reduce(counted) + EPSILON)

    def dice_loss(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        """1 - (2 * overlap + smooth) / (predicted + true + smooth) of the pixels that count; the mean over patches."""
        counts = (labels != self.ignore_index).astype("float32")
        predicted = F.softmax(logits, axis=1)[:, NODULE] * counts
        true = (labels == NODULE).astype("float32")
        if self.by_patch:
            overlap, sizes = (predicted * true).sum([1, 2]), (predicted + true).sum([1, 2])
            patches = differentiable_all_reduce(paddle.full([], len(labels), "float32"))
            return 1 - differentiable_all_reduce(self._dice(overlap, sizes).sum()) / patches
        overlap = differentiable_all_reduce((predicted * true).sum())
        return 1 - self._dice(overlap, differentiable_all_reduce(predicted.sum() + true.sum()))

    def _dice(self, overlap: paddle.Tensor, sizes: paddle.Tensor) -> paddle.Tensor:
        return (2 * overlap + self.smooth) / (sizes + self.smooth)
