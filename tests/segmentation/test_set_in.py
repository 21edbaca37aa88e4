"""A nodule set into a patch: where it lies, how much of it each channel shows, and what shows through."""

from dataclasses import replace

import numpy as np
import pytest

from lung_ssp.segmentation.set_in import CutNodule, cut_nodule
from lung_ssp.segmentation.settings import IGNORED, AugmentationSettings
from lung_ssp.segmentation.sources import NoduleSlice, Stack

STILL = AugmentationSettings(
    flip=False, rotation_degrees=0.0, scale=[1.0, 1.0], blur_pixels=0.0, noise_hu=0.0, contrast=0.0, shift_hu=0.0
)


@pytest.fixture(scope="module")
def square() -> NoduleSlice:
    """4 x 4 pixels of 20 HU in three slices 2 mm apart, amid -800 HU; the middle one of them."""
    nodule = np.zeros((3, 20, 20), bool)
    nodule[:, 6:10, 8:12] = True
    own = np.zeros_like(nodule)
    own[:, 5:11, 7:13] = True
    hu = np.where(nodule, 20, -800).astype(np.int16)
    stack = Stack(hu, np.array([10.0, 12.0, 14.0]), np.ones_like(nodule), nodule)
    return NoduleSlice(stack, 1, own)


def test_its_middle_comes_to_lie_where_it_is_asked(square):
    cut = cut_nodule(square, np.array([-2.0, 0, 2]), np.array([10.5, 20.5]), 32, STILL, np.random.default_rng(0))
    rows, columns = np.nonzero(cut.marked)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 12, 19, 22)
    assert cut.image[:, 9:13, 19:23] == pytest.approx(20)
    assert cut.share.sum(axis=(1, 2)) == pytest.approx([36, 36, 36])


@pytest.mark.parametrize("seed", range(5))
def test_it_stays_there_when_it_is_turned_and_scaled(square, seed):
    settings = AugmentationSettings.model_validate(
        {**STILL.model_dump(), "flip": True, "rotation_degrees": 180.0, "scale": [0.8, 1.25]}
    )
    rng = np.random.default_rng(seed)
    cut = cut_nodule(square, np.zeros(3), np.array([10.5, 20.5]), 32, settings, rng)
    assert np.argwhere(cut.marked).mean(axis=0) == pytest.approx([10.5, 20.5], abs=0.5)
    assert 16 * 0.8**2 * 0.7 < np.count_nonzero(cut.marked) < 16 * 1.25**2 * 1.3


@pytest.mark.parametrize(
    "away_mm, shown",
    [([-2.0, 0, 2.0], [1, 1, 1]), ([-2.9, 0, 2.9], [1, 1, 1]), ([-3.1, 0, 2.0], [0, 1, 1]), ([0, 0, 9.0], [1, 1, 0])],
)
def test_beyond_its_own_slices_there_is_none_of_it(square, away_mm, shown):
    cut = cut_nodule(square, np.array(away_mm), np.array([10.5, 20.5]), 32, STILL, np.random.default_rng(0))
    assert cut.share.any(axis=(1, 2)).tolist() == [bool(one) for one in shown]
    assert cut.marked.any()


def test_of_a_faint_nodule_the_lung_shows_the_rest(square):
    lung = np.full((3, 32, 32), -900, np.float32)
    cut = cut_nodule(
        replace(square, opacity=0.25), np.zeros(3), np.array([10.5, 20.5]), 32, STILL, np.random.default_rng(0)
    )
    patch, classes = cut.set_into(lung, np.zeros((32, 32), np.uint8))
    assert patch[:, 9:13, 19:23] == pytest.approx(0.25 * 20 - 0.75 * 900)
    assert classes.sum() == 16  # marked as if it were solid


def test_vessels_show_through_what_is_darker_and_other_labels_stay():
    image = np.full((3, 4, 4), -800, np.float32)
    image[:, 0] = 100  # a vessel
    label = np.zeros((4, 4), np.uint8)
    label[3] = IGNORED
    share = np.zeros((3, 4, 4), np.float32)
    share[:, :2, 1], share[:, 2, 1] = 1, 0.5
    marked = np.zeros((4, 4), bool)
    marked[:2, 1] = True
    patch, classes = CutNodule(np.full((3, 4, 4), 20, np.float32), share, marked).set_into(image, label)
    assert patch[0, :, 1].tolist() == [100, 20, -390, -800]
    assert patch[0, :, 0].tolist() == image[0, :, 0].tolist()
    assert classes[:, 1].tolist() == [1, 1, 0, IGNORED] and classes[3].tolist() == [IGNORED] * 4
