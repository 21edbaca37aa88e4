"""Patches: where they are cut, how they turn, and what is done to their HU."""

import numpy as np
import pytest

from lung_ssp.segmentation.augmentation import cut, random_neighbours
from lung_ssp.segmentation.settings import AugmentationSettings
from lung_ssp.training.augmentation import random_intensities, random_matrix

STILL = AugmentationSettings(
    flip=False, rotation_degrees=0.0, scale=[1.0, 1.0], blur_pixels=0.0, noise_hu=0.0, contrast=0.0, shift_hu=0.0
)


def still(**changes) -> AugmentationSettings:
    return AugmentationSettings.model_validate({**STILL.model_dump(), **changes})


def random_patch(image, label, centre, size, settings, rng, pixel=(1.0, 1.0)):
    return cut(image, label, random_matrix(centre, size, settings, rng, pixel), size)


def test_without_change_the_patch_is_the_slice_around_its_centre():
    image = np.random.default_rng(0).normal(size=(3, 40, 50)).astype(np.float32)
    label = (image[1] > 1).astype(np.uint8)
    # 16 pixels centred on (19.5, 24.5) begin at (12, 17)
    patch, patch_label = random_patch(image, label, (19.5, 24.5), 16, STILL, np.random.default_rng(1))
    np.testing.assert_allclose(patch, image[:, 12:28, 17:33], atol=1e-5)
    assert np.array_equal(patch_label, label[12:28, 17:33])


def test_beyond_the_border_the_slice_is_mirrored():
    image = np.arange(64, dtype=np.float32).reshape(1, 8, 8)
    patch, _ = random_patch(image, np.zeros((8, 8), np.uint8), (3.5, 3.5), 16, STILL, np.random.default_rng(1))
    np.testing.assert_allclose(patch[0], np.pad(image[0], 4, mode="symmetric"), atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_image_and_label_are_moved_together(seed):
    y, x = np.indices((64, 64))
    ball = (y - 30) ** 2 + (x - 36) ** 2 < 36
    image = np.repeat(np.where(ball, 1000.0, 0.0)[np.newaxis], 3, axis=0).astype(np.float32)
    patch, label = random_patch(
        image, ball.astype(np.uint8), (30, 36), 48, still(flip=True, rotation_degrees=180.0, scale=[0.7, 1.4]),
        np.random.default_rng(seed),
    )  # fmt: skip
    assert label.any()
    assert np.mean((patch[1] > 500) != label) < 0.02
    # the ball is round and central, so it stays where it is and only its area changes, with the square of the scale
    rows, columns = np.nonzero(label)
    assert abs(rows.mean() - 23.5) < 1 and abs(columns.mean() - 23.5) < 1
    assert 0.45 < label.sum() / ball.sum() < 2.05


def test_the_scale_magnifies():
    y, x = np.indices((64, 64))
    ball = ((y - 32) ** 2 + (x - 32) ** 2 < 64).astype(np.uint8)
    image = ball[np.newaxis].astype(np.float32)
    _, label = random_patch(image, ball, (32, 32), 48, still(scale=[2.0, 2.0]), np.random.default_rng(0))
    assert label.sum() / ball.sum() == pytest.approx(4, rel=0.05)


def test_a_coarser_patch_spans_more_pixels_and_draws_a_border_between_them():
    y, x = np.indices((64, 64))
    ball = (y - 32) ** 2 + (x - 32) ** 2 < 256
    image = np.where(ball, 1000.0, 0.0)[np.newaxis].astype(np.float32)
    args = (32, 32), 24, STILL, np.random.default_rng(0), (2.0, 4.0)
    patch, label = random_patch(image, ball, *args)
    assert label.dtype == np.uint8 and label.sum() / ball.sum() == pytest.approx(1 / 8, rel=0.1)
    assert np.ptp(np.nonzero(label)[0]) > 1.7 * np.ptp(np.nonzero(label)[1])
    assert np.array_equal(label == 1, patch[0] >= 500)


def test_a_turn_by_a_quarter_is_a_turn_by_a_quarter_and_a_mirror_image_a_mirror_image():
    image = np.random.default_rng(0).normal(size=(1, 16, 16)).astype(np.float32)
    label = np.zeros((16, 16), np.uint8)
    seen = []
    for seed in range(30):
        patch, _ = random_patch(image, label, (7.5, 7.5), 16, still(flip=True), np.random.default_rng(seed))
        options = [image[0], image[0, :, ::-1], image[0, ::-1], image[0, ::-1, ::-1]]
        seen.append([np.allclose(patch[0], option, atol=1e-4) for option in options].index(True))
    assert set(seen) == {0, 1, 2, 3}


def test_still_intensities_change_nothing():
    patch = np.random.default_rng(0).normal(-500, 300, (3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(random_intensities(patch, STILL, np.random.default_rng(0)), patch, atol=1e-3)


def test_contrast_leaves_air_where_it_is_and_shift_moves_all():
    patch = np.full((1, 8, 8), -1000.0, np.float32)
    patch[0, 4:] = 0
    stretched = random_intensities(patch, still(contrast=0.5), np.random.default_rng(3))
    assert np.allclose(stretched[0, :4], -1000, atol=1e-3)
    factor = (stretched[0, 5, 0] + 1000) / 1000
    assert 0.5 < factor < 1.5 and abs(factor - 1) > 0.01
    shifted = random_intensities(patch, still(shift_hu=50.0), np.random.default_rng(3)) - patch
    assert np.ptp(shifted) < 1e-3 and 0 < abs(shifted.mean()) <= 50


def test_noise_stays_within_its_bound_and_blur_keeps_the_mean():
    patch = np.zeros((3, 64, 64), np.float32)
    deviations = [random_intensities(patch, still(noise_hu=30.0), np.random.default_rng(s)).std() for s in range(40)]
    assert 0 <= min(deviations) < 6 and 24 < max(deviations) <= 30.01
    spot = patch.copy()
    spot[:, 32, 32] = 1000
    blurred = [random_intensities(spot, still(blur_pixels=1.5), np.random.default_rng(s)) for s in range(10)]
    assert min(picture.max() for picture in blurred) < 400
    assert all(picture.sum() == pytest.approx(3000, rel=1e-3) for picture in blurred)


def test_the_same_generator_gives_the_same_patch():
    image = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    label = (image[1] > 1).astype(np.uint8)
    settings = AugmentationSettings()

    def patch(seed):
        rng = np.random.default_rng(seed)
        patch, patch_label = random_patch(image, label, (20, 30), 32, settings, rng)
        return random_intensities(patch, settings, rng), patch_label

    assert all(np.array_equal(one, other) for one, other in zip(patch(5), patch(5), strict=True))
    assert not np.array_equal(patch(5)[0], patch(6)[0])


def test_neighbours_lie_as_far_as_the_settings_say():
    z_mm, rng = np.arange(21.0), np.random.default_rng(0)
    found = {
        tuple(random_neighbours(z_mm, 10, 3, 1.0, still(neighbour_mm=[1.6, 3.4]), rng).tolist()) for _ in range(50)
    }
    assert found == {(8, 10, 12), (7, 10, 13)}  # both at once


def test_neighbours_are_replaced_by_the_slice_as_often_as_the_settings_say():
    z_mm, rng = np.arange(21.0), np.random.default_rng(0)
    found = np.array([random_neighbours(z_mm, 10, 3, 1.0, still(neighbour_dropout=0.25), rng) for _ in range(2000)])
    assert (found[:, 1] == 10).all()
    assert (found[:, [0, 2]] == 10).mean(axis=0) == pytest.approx([0.25, 0.25], abs=0.03)


def test_nothing_is_drawn_where_the_neighbours_are_left_alone():
    rng = np.random.default_rng(0)
    assert random_neighbours(np.arange(21.0), 10, 3, 1.0, STILL, rng).tolist() == [9, 10, 11]
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state
