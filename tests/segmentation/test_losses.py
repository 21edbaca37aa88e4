"""The loss on tensors small enough for pencil and paper."""

import math

import numpy as np
import paddle
import pytest

from lung_ssp.segmentation.losses import DiceCrossEntropyLoss

# two classes, one image of 1x4 pixels; a difference of ln 3 between the logits is a probability of 3/4
LOGITS = paddle.to_tensor(np.log([[[[3, 1, 1, 1]], [[1, 3, 1, 1]]]]).astype(np.float32))  # nodule: 1/4, 3/4, 1/2, 1/2
LABELS = paddle.to_tensor(np.array([[[0, 1, 1, 0]]]))


def loss_of(cross_entropy: float = 1.0, dice: float = 1.0) -> DiceCrossEntropyLoss:
    return DiceCrossEntropyLoss(cross_entropy, dice, smooth=1.0, ignore_index=255)


def test_cross_entropy_is_the_mean_over_pixels():
    loss = loss_of(cross_entropy=1.0, dice=0.0)(LOGITS, LABELS)
    assert loss.shape == [1]  # not []: PaddleSeg's loop indexes it
    assert float(loss) == pytest.approx((2 * math.log(4 / 3) + 2 * math.log(2)) / 4)


def test_dice_counts_the_nodules_only():
    # overlap 3/4 + 1/2, predicted 2, true 2; with one pixel of smoothing on both sides
    loss = loss_of(cross_entropy=0.0, dice=1.0)(LOGITS, LABELS)
    assert float(loss) == pytest.approx(1 - (2 * 1.25 + 1) / (2 + 2 + 1))


def test_dice_is_taken_over_the_whole_batch():
    both = paddle.concat([LOGITS, LOGITS]), paddle.concat([LABELS, paddle.zeros_like(LABELS)])
    loss = loss_of(cross_entropy=0.0)(*both)
    assert float(loss) == pytest.approx(1 - (2 * 1.25 + 1) / (4 + 2 + 1))


def test_dice_by_patch_is_the_mean_over_the_patches():
    both = paddle.concat([LOGITS, LOGITS]), paddle.concat([LABELS, paddle.zeros_like(LABELS)])
    loss = DiceCrossEntropyLoss(0.0, 1.0, smooth=1.0, ignore_index=255, dice_by="patch")(*both)
    # the first as above; the second has no nodule, and 2 pixels are predicted
    assert float(loss) == pytest.approx(((1 - 3.5 / 5) + (1 - 1 / 3)) / 2)


def test_a_patch_of_which_nothing_counts_adds_no_dice():
    loss = DiceCrossEntropyLoss(0.0, 1.0, smooth=1.0, ignore_index=255, dice_by="patch")
    assert float(loss(LOGITS, paddle.full_like(LABELS, 255))) == 0


def test_weights_add_the_two():
    parts = [loss_of(cross_entropy=c, dice=d)(LOGITS, LABELS) for c, d in ((1, 0), (0, 1), (0.5, 2))]
    assert float(parts[2]) == pytest.approx(0.5 * float(parts[0]) + 2 * float(parts[1]))


def test_ignored_pixels_count_nowhere_and_labels_stay_as_they_are():
    labels = paddle.to_tensor(np.array([[[0, 1, 255, 255]]]))
    expected = (math.log(4 / 3)) + 1 - (2 * 0.75 + 1) / (1 + 1 + 1)
    assert float(loss_of()(LOGITS, labels)) == pytest.approx(expected)
    assert labels.numpy().tolist() == [[[0, 1, 255, 255]]]


def test_gradient_pulls_towards_the_label_and_leaves_ignored_pixels_alone():
    logits = LOGITS.clone()
    logits.stop_gradient = False
    labels = paddle.to_tensor(np.array([[[0, 1, 1, 255]]]))
    loss_of()(logits, labels).backward()
    nodule = logits.grad.numpy()[0, 1, 0]
    assert nodule[0] > 0 and nodule[1] < 0 and nodule[2] < 0 and nodule[3] == 0
