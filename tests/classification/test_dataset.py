"""Sections in memory: batches, orientations, and refusals."""

from pathlib import Path

import numpy as np
import pytest

from lung_ssp.classification.dataset import SectionDataset, flipped_and_turned
from lung_ssp.classification.settings import NumClasses, SectionDatasetSettings
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.cohort.slides.store import Patches, write_patches
from lung_ssp.cohort.store import Sections, write_sections
from lung_ssp.errors import CohortError

THREE = NumClasses(image=3, pathology=3)


def dataset(
    root: Path, size: int = 16, classes: NumClasses = THREE, two_inputs: bool = False, **settings: object
) -> SectionDataset:
    named = SectionDatasetSettings.model_validate({"dataset_root": str(root), "mode": "train", **settings})
    return SectionDataset(named, size, classes, two_inputs)


def test_a_batch_holds_the_sections_asked_for(disk_cohort: Path) -> None:
    data = dataset(disk_cohort)
    batch = data.batch(np.array([9, 3]))
    assert batch.images.shape == (2, 1, 16, 16)
    assert np.array_equal(batch.images[1, 0], data.sections.images[3])
    assert batch.labels["pathology"][0] == -1  # every tenth is missing
    assert len(data.whole()) == len(data) == 100


def test_flipping_and_turning_yields_the_eight_orientations_and_nothing_else() -> None:
    image = np.arange(9.0, dtype=np.float32).reshape(3, 3)
    many = flipped_and_turned(np.repeat(image[None], 200, axis=0), np.random.default_rng(0))
    orientations = {np.rot90(image, k).tobytes() for k in range(4)}
    orientations |= {np.rot90(image, k)[:, ::-1].tobytes() for k in range(4)}
    assert {one.tobytes() for one in many} == orientations


def test_turning_draws_from_the_generator_it_is_given() -> None:
    images = np.random.default_rng(1).random((20, 4, 4), dtype=np.float32)
    first, second, other = (flipped_and_turned(images, np.random.default_rng(seed)) for seed in (7, 7, 8))
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


@pytest.fixture
def with_slides(tmp_path: Path) -> Path:
    """Five sections: A's tumour and a harmless finding beside it, B's tumour, C's without a slide, D's unread one.

    The patches of A are grey 10, 20 and 30, B's is 40, D's is 50.
    """
    images = np.random.default_rng(0).random((5, 16, 16), dtype=np.float32)
    patients = np.array(["A", "A", "B", "C", "D"])
    labels = {"image": np.array([1, 0, 2, 1, 1]), "pathology": np.array([1, 0, 2, 1, -1])}
    write_sections(tmp_path, "train", Sections(images, labels, patients))
    greys = np.array([10, 20, 30, 40, 50], np.uint8)
    patches = np.broadcast_to(greys[:, None, None, None], (5, 16, 16, 3))
    owners = np.array(["A", "A", "A", "B", "D"])
    write_patches(tmp_path, "train", Patches(patches, owners, owners))
    return tmp_path


def test_a_section_goes_with_a_patch_of_its_patients_tumour(with_slides: Path) -> None:
    batch = dataset(with_slides, two_inputs=True).whole()
    assert batch.has_slide is not None and batch.slides is not None
    assert batch.has_slide.tolist() == [True, False, True, False, True]
    assert batch.slides.shape == (5, 3, 16, 16) and batch.slides.dtype == np.float32
    # In evaluation the middle one of the patient's patches.
    assert (batch.slides[:, 0, 0, 0] * 255).round().tolist() == [20, 0, 40, 0, 50]


def test_sections_without_a_slide_train_the_image_task_alone(with_slides: Path) -> None:
    batch = dataset(with_slides, two_inputs=True).whole()
    assert batch.labels["image"].tolist() == [1, 0, 2, 1, 1]
    assert batch.labels["pathology"].tolist() == [1, -1, 2, -1, -1]
    one = dataset(with_slides).whole()
    assert one.labels["pathology"].tolist() == [1, 0, 2, 1, -1]
    assert one.slides is None and one.has_slide is None


def test_in_training_each_of_the_patients_patches_is_drawn(with_slides: Path) -> None:
    data = dataset(with_slides, two_inputs=True)

    def drawn(seed: int) -> list[int]:
        slides = data.batch(np.zeros(60, int), np.random.default_rng(seed)).slides
        return (slides[:, 0, 0, 0] * 255).round().astype(int).tolist()

    assert set(drawn(0)) == {10, 20, 30}
    assert drawn(0) == drawn(0) != drawn(1)


def test_slides_are_hidden_at_random_while_training_alone(disk_cohort: Path) -> None:
    data, whole = (dataset(disk_cohort, two_inputs=True, hide_slides=share) for share in (0.4, 0.0))
    indices = np.tile(np.arange(100), 20)
    shown = data.batch(indices, np.random.default_rng(0))
    every = whole.batch(indices, np.random.default_rng(0))
    assert shown.has_slide.sum() == pytest.approx(0.6 * every.has_slide.sum(), rel=0.1)
    assert not (shown.has_slide & ~every.has_slide).any()
    assert (shown.labels["pathology"][~shown.has_slide] == -1).all()
    assert not shown.slides[~shown.has_slide].any()
    assert data.whole().has_slide.tolist() == whole.whole().has_slide.tolist()


def test_patches_are_flipped_and_turned_while_training(disk_cohort: Path) -> None:
    data = dataset(disk_cohort, two_inputs=True, augment=True)
    section = int(np.flatnonzero(data.has_slide)[0])
    own = data.patches.images[data.patches_of[f"P{section}"]].transpose(0, 3, 1, 2) / 255
    batch = data.batch(np.full(40, section), np.random.default_rng(0))
    allowed = np.concatenate([np.rot90(side, k, (2, 3)) for k in range(4) for side in (own, own[..., ::-1])])
    nearest = [np.abs(allowed - patch).max(axis=(1, 2, 3)).min() for patch in batch.slides]
    assert max(nearest) < 1e-6
    assert len({patch.tobytes() for patch in batch.slides}) > 8


def test_patches_that_the_network_cannot_take_are_refused(with_slides: Path, tmp_path: Path) -> None:
    nobody = Patches(np.zeros((0, 16, 16, 3), np.uint8), np.zeros(0, str), np.zeros(0, str))
    write_patches(with_slides, "train", nobody)
    with pytest.raises(CohortError, match="no patches of slides"):
        dataset(with_slides, two_inputs=True)
    write_patches(with_slides, "train", Patches(np.zeros((1, 8, 8, 3)), np.array(["A"]), np.array(["A"])))
    with pytest.raises(CohortError, match="patches of 8x8 pixels"):
        dataset(with_slides, two_inputs=True)
    (with_slides / "patches" / "train.npz").unlink()
    with pytest.raises(CohortError, match="cohort with pathology slides"):
        dataset(with_slides, two_inputs=True)
