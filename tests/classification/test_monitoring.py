"""What is logged and shown while a network learns."""

from collections.abc import Callable

import numpy as np

from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.task import ClassificationTask

SettingsMaker = Callable[..., ClassificationSettings]


def test_logged_accuracy_is_measured_in_evaluation_mode_and_leaves_the_network_training(
    small_settings: SettingsMaker,
) -> None:
    task = ClassificationTask(small_settings())
    task.network.train()
    batch = task.load(np.arange(20), np.random.default_rng(0))
    before = {name: value.numpy().copy() for name, value in task.network.state_dict().items()}
    values = task.log_values(batch, task.validate)
    said = {f"most_said/{task}_{what}" for task in ("image", "pathology") for what in ("class", "share")}
    assert set(values) == {"accuracy_train_value", "accuracy_test_value", *said}
    assert task.network.training
    assert all(np.array_equal(before[name], value.numpy()) for name, value in task.network.state_dict().items())


def test_alphas_are_reported_per_unit_with_their_range(small_settings: SettingsMaker) -> None:
    task = ClassificationTask(small_settings())
    scalars = task.scalars()
    assert scalars["alphas/pool1/image_from_image"] == 1.0
    assert scalars["alphas/pool1/image_from_pathology_greatest"] == 0.0
    assert set(task.histograms()) == {"alphas/pool1", "alphas/pool2", "alphas/fc3"}
    by_layer = ClassificationTask(small_settings(alphas={"granularity": "layer"})).scalars()
    assert len(by_layer) == 3 * 4


def test_pictures_are_colour_images(small_settings: SettingsMaker) -> None:
    pictures = ClassificationTask(small_settings()).images()
    assert len(pictures) == 8
    for picture in pictures.values():
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
