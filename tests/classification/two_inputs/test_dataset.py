"""Sections with tiles of slides: which go together, what is drawn while training, and refusals."""

from pathlib import Path

import numpy as np
import pytest

from lung_ssp.classification.dataset import SectionDataset
from lung_ssp.classification.settings import NumClasses, SectionAndSlideDatasetSettings, SectionDatasetSettings
from lung_ssp.classification.two_inputs.dataset import SectionAndSlideDataset
from lung_ssp.cohort.slides.store import Tiles, write_tiles
from lung_ssp.cohort.store import Sections, write_sections
from lung_ssp.errors import CohortError


def dataset(root: Path, **settings: object) -> SectionAndSlideDataset:
    named = SectionAndSlideDatasetSettings.model_validate({"dataset_root": str(root), "mode": "train", **settings})
    return SectionAndSlideDataset(named, 16, NumClasses(image=3, pathology=3))


@pytest.fixture
def with_slides(tmp_path: Path) -> Path:
    """Five sections: A's tumour and a harmless finding beside it, B's tumour, C's without a slide, D's unread one.

    The tiles of A are grey 10, 20 and 30, B's is 40, D's is 50.
    """
    images = np.random.default_rng(0).random((5, 16, 16), dtype=np.float32)
    patients = np.array(["A", "A", "B", "C", "D"])
    labels = {"image": np.array([1, 0, 2, 1, 1]), "pathology": np.array([1, 0, 2, 1, -1])}
    write_sections(tmp_path, "train", Sections(images, labels, patients))
    greys = np.array([10, 20, 30, 40, 50], np.uint8)
    tiles = np.broadcast_to(greys[:, None, None, None], (5, 16, 16, 3))
    owners = np.array(["A", "A", "A", "B", "D"])
    write_tiles(tmp_path, "train", Tiles(tiles, owners, owners))
    return tmp_path


def test_a_section_goes_with_a_tile_of_its_patients_tumour(with_slides: Path) -> None:
    batch = dataset(with_slides).whole()
    assert batch.has_slide.tolist() == [True, False, True, False, True]
    assert batch.slides.shape == (5, 3, 16, 16) and batch.slides.dtype == np.float32
    # In evaluation the middle one of the patient's tiles.
    assert (batch.slides[:, 0, 0, 0] * 255).round().tolist() == [20, 0, 40, 0, 50]


def test_sections_without_a_slide_train_the_image_task_alone(with_slides: Path) -> None:
    batch = dataset(with_slides).whole()
    assert batch.labels["image"].tolist() == [1, 0, 2, 1, 1]
    assert batch.labels["pathology"].tolist() == [1, -1, 2, -1, -1]
    settings = SectionDatasetSettings(dataset_root=str(with_slides), mode="train")
    one = SectionDataset(settings, 16, NumClasses(image=3, pathology=3)).whole()
    assert one.labels["pathology"].tolist() == [1, 0, 2, 1, -1]
    assert len(one.arrays()) == 1


def test_in_training_each_of_the_patients_tiles_is_drawn(with_slides: Path) -> None:
    data = dataset(with_slides)

    def drawn(seed: int) -> list[int]:
        slides = data.batch(np.zeros(60, int), np.random.default_rng(seed)).slides
        return (slides[:, 0, 0, 0] * 255).round().astype(int).tolist()

    assert set(drawn(0)) == {10, 20, 30}
    assert drawn(0) == drawn(0) != drawn(1)


def test_slides_are_hidden_at_random_while_training_alone(disk_cohort: Path) -> None:
    data, whole = (dataset(disk_cohort, slide_dropout=share) for share in (0.4, 0.0))
    indices = np.tile(np.arange(100), 20)
    shown = data.batch(indices, np.random.default_rng(0))
    every = whole.batch(indices, np.random.default_rng(0))
    assert shown.has_slide.sum() == pytest.approx(0.6 * every.has_slide.sum(), rel=0.1)
    assert not (shown.has_slide & ~every.has_slide).any()
    assert (shown.labels["pathology"][~shown.has_slide] == -1).all()
    assert not shown.slides[~shown.has_slide].any()
    assert data.whole().has_slide.tolist() == whole.whole().has_slide.tolist()


def test_tiles_are_flipped_and_turned_while_training(disk_cohort: Path) -> None:
    data = dataset(disk_cohort, augment=True)
    section = int(np.flatnonzero(data.has_slide)[0])
    own = data.tiles.images[data.tiles_of[f"P{section}"]].transpose(0, 3, 1, 2) / 255
    batch = data.batch(np.full(40, section), np.random.default_rng(0))
    allowed = np.concatenate([np.rot90(side, k, (2, 3)) for k in range(4) for side in (own, own[..., ::-1])])
    nearest = [np.abs(allowed - tile).max(axis=(1, 2, 3)).min() for tile in batch.slides]
    assert max(nearest) < 1e-6
    assert len({tile.tobytes() for tile in batch.slides}) > 8


def test_tiles_that_the_network_cannot_take_are_refused(with_slides: Path, tmp_path: Path) -> None:
    nobody = Tiles(np.zeros((0, 16, 16, 3), np.uint8), np.zeros(0, str), np.zeros(0, str))
    write_tiles(with_slides, "train", nobody)
    with pytest.raises(CohortError, match="no tiles of slides"):
        dataset(with_slides)
    write_tiles(with_slides, "train", Tiles(np.zeros((1, 8, 8, 3)), np.array(["A"]), np.array(["A"])))
    with pytest.raises(CohortError, match="tiles of 8x8 pixels"):
        dataset(with_slides)
    (with_slides / "tiles" / "train.npz").unlink()
    with pytest.raises(CohortError, match="cohort with pathology slides"):
        dataset(with_slides)
