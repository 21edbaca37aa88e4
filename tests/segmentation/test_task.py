"""The task that the training loop is handed."""

import numpy as np
import paddle
import pytest

from lung_ssp.segmentation.dataset import NoduleSlices
from lung_ssp.segmentation.losses import DiceCrossEntropyLoss
from lung_ssp.segmentation.networks import ImprovedUNet
from lung_ssp.segmentation.task import SegmentationTask, foreground_dice


@pytest.fixture
def task(slice_cohort):
    paddle.seed(0)
    return SegmentationTask(
        ImprovedUNet(num_classes=2, in_channels=3, width=4, growth_rate=4, dense_layers=2),
        NoduleSlices(str(slice_cohort), "train", patch_size=32),
        NoduleSlices(str(slice_cohort), "val", slices_per_scan=4),
        {"types": [DiceCrossEntropyLoss(1.0, 1.0, smooth=1.0, ignore_index=255)], "coef": [1.0]},
    )


def test_a_batch_depends_on_its_generator_only(task):
    one, two, other = (task.load(np.array([0, 40, 3]), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.images.shape == (3, 3, 32, 32) and one.labels.shape == (3, 32, 32)
    assert one.labels.dtype == np.int64
    assert np.array_equal(one.images, two.images)
    assert not np.array_equal(one.images, other.images)


def test_the_loss_is_the_configured_one_with_its_weight(task):
    batch = task.load(np.array([31, 32]), np.random.default_rng(0))
    task.network.eval()
    images, labels = paddle.to_tensor(batch.images), paddle.to_tensor(batch.labels)
    expected = float(DiceCrossEntropyLoss(1.0, 1.0, smooth=1.0, ignore_index=255)(task.network(images)[0], labels))
    task.loss["coef"] = [2.5]
    assert float(task.losses(batch)["total"]) == pytest.approx(2.5 * expected)


@pytest.mark.slow
def test_it_learns_to_tell_balls_from_lung_and_wall(task):
    optimizer = paddle.optimizer.Adam(5e-3, parameters=task.network.parameters())
    before = task.validate()["dice"]
    task.network.train()
    for step in range(100):
        rng = np.random.default_rng(step)
        losses = task.losses(task.load(rng.integers(task.size, size=8), rng))
        losses["total"].backward()
        optimizer.step()
        optimizer.clear_grad()
    assert before < 0.4
    assert task.validate()["dice"] > 0.7


def test_measures_are_those_of_the_log(task):
    batch = task.load(np.arange(28, 34), np.random.default_rng(0))
    values = task.log_values(batch, lambda: {"dice": 0.25})
    assert tuple(values) == task.log_columns[3:]
    assert values["dice_validation_value"] == 0.25
    assert tuple(task.validate()) == (task.score_name,)
    assert task.network.training  # as the loop left it


def test_validation_follows_the_weights_and_averages_over_scans(task):
    before = task.validate()
    task.network.classifier.bias.set_value(np.array([-50.0, 50.0], np.float32))  # everything is nodule
    after = task.validate()
    labels = [
        np.concatenate([task.val_dataset[i]["label"] for i in group]) for group in task.val_dataset.indices_by_scan()
    ]
    shares = [(label == 1).sum() / (label != 255).sum() for label in labels]
    assert after["dice"] == pytest.approx(np.mean([2 * share / (1 + share) for share in shares]))
    assert before != after


def test_foreground_dice_leaves_out_what_is_ignored():
    predicted = np.array([[True, True, True, False]])
    assert foreground_dice(predicted, np.array([[1, 0, 255, 1]]), 255) == pytest.approx(2 / 4)


def test_pictures_show_patches_with_outlines(task):
    pictures = task.images()
    assert len(pictures) == 8
    for picture in pictures.values():
        assert picture.dtype == np.uint8 and picture.shape == (96, 96, 3)
    assert any((picture[..., 0] != picture[..., 1]).any() for picture in pictures.values())
    assert task.scalars() == {} and task.histograms() == {}
