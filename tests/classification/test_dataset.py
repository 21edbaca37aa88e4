"""Sections in memory: batches, orientations, and refusals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.classification.dataset import DeviceCache, SectionDataset, fits_on_device, random_orientations
from lung_ssp.classification.settings import ClassificationSettings, NumClasses, SectionDatasetSettings
from lung_ssp.classification.task import ClassificationTask
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.cohort.store import Sections, write_sections
from lung_ssp.errors import CohortError

SettingsMaker = Callable[..., ClassificationSettings]

THREE = NumClasses(image=3, pathology=3)


def dataset(root: Path, size: int = 16, classes: NumClasses = THREE, **settings: object) -> SectionDataset:
    named = SectionDatasetSettings.model_validate({"dataset_root": str(root), "mode": "train", **settings})
    return SectionDataset(named, size, classes)


def test_a_batch_holds_the_sections_asked_for(disk_cohort: Path) -> None:
    data = dataset(disk_cohort)
    batch = data.batch(np.array([9, 3]))
    assert batch.images.shape == (2, 1, 16, 16)
    assert np.array_equal(batch.images[1, 0], data.sections.images[3])
    assert batch.labels["pathology"][0] == -1  # every tenth is missing
    assert len(data.whole()) == len(data) == 100


def test_flipping_and_turning_yields_the_eight_orientations_and_nothing_else() -> None:
    image = np.arange(9.0, dtype=np.float32).reshape(3, 3)
    many = random_orientations(np.repeat(image[None], 200, axis=0), np.random.default_rng(0))
    orientations = {np.rot90(image, k).tobytes() for k in range(4)}
    orientations |= {np.rot90(image, k)[:, ::-1].tobytes() for k in range(4)}
    assert {one.tobytes() for one in many} == orientations


def test_turning_draws_from_the_generator_it_is_given() -> None:
    images = np.random.default_rng(1).random((20, 4, 4), dtype=np.float32)
    first, second, other = (random_orientations(images, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("size", "classes", "words"),
    [
        (28, THREE, "16x16 pixels, but model.image_size is 28"),
        (16, NumClasses(image=2, pathology=3), "model.num_classes.image is 2"),
    ],
)
def test_sections_that_the_network_cannot_take_are_refused(
    disk_cohort: Path, size: int, classes: NumClasses, words: str
) -> None:
    with pytest.raises(CohortError, match=words):
        dataset(disk_cohort, size, classes)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    images = np.zeros((2, 16, 16), np.float32)
    images[1, 2, 3] = np.nan
    write_sections(
        tmp_path, "train", Sections(images, dict.fromkeys(TASK_NAMES, np.zeros(2, int)), np.array(["a", "b"]))
    )
    with pytest.raises(CohortError, match="not finite"):
        dataset(tmp_path)


def test_a_missing_cohort_says_how_to_prepare_one(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="prepare"):
        dataset(tmp_path)


def test_a_split_without_any_label_is_refused(tmp_path: Path) -> None:
    images, missing = np.zeros((2, 16, 16), np.float32), np.full(2, -1)
    write_sections(tmp_path, "train", Sections(images, dict.fromkeys(TASK_NAMES, missing), np.array(["a", "b"])))
    with pytest.raises(CohortError, match="no label of either task"):
        dataset(tmp_path)


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
