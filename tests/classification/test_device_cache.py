"""Sections in the device's memory give the batches of the data set itself."""

from collections.abc import Callable

import numpy as np
import pytest

from lung_ssp.classification.device_cache import DeviceCache, fits_on_device
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.task import ClassificationTask

SettingsMaker = Callable[..., ClassificationSettings]


@pytest.mark.parametrize("augment", [False, True])
def test_cached_batches_are_those_of_the_data_set(small_settings: SettingsMaker, augment: bool) -> None:
    dataset = ClassificationTask(small_settings()).training
    dataset.augment = augment
    cache = DeviceCache(dataset)
    for seed in range(3):
        indices = np.random.default_rng(seed).permutation(len(dataset))[:30]
        expected = dataset.batch(indices, np.random.default_rng(seed))
        found = cache.batch(indices, np.random.default_rng(seed))
        assert np.array_equal(found.inputs()[0].numpy(), expected.images)
        assert {task: labels.tolist() for task, labels in found.labels.items()} == {
            task: labels.tolist() for task, labels in expected.labels.items()
        }


def test_a_task_learns_the_same_from_cached_sections(small_settings: SettingsMaker) -> None:
    losses = []
    for cached in (False, True):
        task = ClassificationTask(small_settings())
        if cached:
            task.source = DeviceCache(task.training)
        task.network.set_state_dict({name: value * 0 + 0.01 for name, value in task.network.state_dict().items()})
        task.network.eval()
        batch = task.load(np.arange(20), np.random.default_rng(0))
        losses.append({name: float(value) for name, value in task.losses(batch).items()})
        losses[-1]["accuracy"] = task.log_values(batch, task.validate)["accuracy_train_value"]
    assert losses[0] == losses[1]


def test_a_cpu_keeps_its_sections_where_they_are(small_settings: SettingsMaker) -> None:
    assert not fits_on_device(ClassificationTask(small_settings()).training)
