"""A scan cropped to its lungs, resampled to the working grid, and what was found there brought back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lung_ssp.ct.settings import WorkingGridSettings
from lung_ssp.ct.volume import Volume, window
from lung_ssp.ct.working_grid import inference_grid, lung_box, neighbour_indices, training_slices, with_neighbours


def block(shape, *sides) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


def test_the_box_just_holds_the_mask_and_its_margin():
    mask = block((20, 30, 40), (5, 9), (10, 20), (2, 38))
    assert lung_box(mask, (1.0, 1.0, 1.0), 0.0) == (slice(5, 9), slice(10, 20), slice(2, 38))
    # 3 mm are 2 slices of 2 mm, 3 rows of 1 mm and 6 columns of 0.5 mm, of which only 2 are there
    assert lung_box(mask, (2.0, 1.0, 0.5), 3.0) == (slice(3, 11), slice(7, 23), slice(0, 40))


def test_two_lungs_lie_in_one_box():
    mask = block((9, 9, 30), (1, 4), (2, 5), (3, 8)) | block((9, 9, 30), (2, 8), (4, 7), (20, 25))
    assert lung_box(mask, (1.0, 1.0, 1.0), 0.0) == (slice(1, 8), slice(2, 7), slice(3, 25))


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="empty"):
        lung_box(np.zeros((3, 3, 3), bool), (1.0, 1.0, 1.0), 0.0)


def test_a_scan_on_the_working_grid_already_is_only_cut():
    rng = np.random.default_rng(0)
    volume = Volume(rng.integers(-1000, 400, (12, 20, 22), dtype=np.int16), (2.5, 1.4, 1.4), origin=(5.0, 6.0, 7.0))
    lungs = block(volume.shape, (3, 9), (4, 16), (5, 17))
    lesions = (block(volume.shape, (4, 6), (6, 9), (7, 9)) * 3).astype(np.uint8)
    slices = training_slices(volume, lungs, WorkingGridSettings(margin_mm=0.0), lesions)
    box = (slice(3, 9), slice(4, 16), slice(5, 17))
    assert np.array_equal(slices.scan.hu, volume.hu[box])
    assert np.array_equal(slices.lungs, lungs[box]) and np.array_equal(slices.lesions, lesions[box])
    assert slices.scan.origin == pytest.approx((5 + 5 * 1.4, 6 + 4 * 1.4, 7 + 3 * 2.5))


@settings(deadline=None, max_examples=30)
@given(
    st.tuples(st.floats(0.8, 4), st.floats(0.5, 2), st.floats(0.5, 2)),
    st.tuples(st.floats(-200, 200), st.floats(-200, 200), st.floats(-200, 200)),
)
def test_everything_stays_where_it_is_in_the_patient(spacing, origin):
    shape = tuple(int(60 / step) for step in spacing)
    lungs = np.ones(shape, bool)
    centre, radius = np.array(shape) * 0.45, 14.0
    away = [(np.arange(n) - middle) * step for n, middle, step in zip(shape, centre, spacing, strict=True)]
    ball = away[0][:, None, None] ** 2 + away[1][None, :, None] ** 2 + away[2][None, None, :] ** 2 < radius**2
    volume = Volume(np.where(ball, 0, -1000).astype(np.int16), spacing, origin)
    slices = training_slices(volume, lungs, WorkingGridSettings(), ball.astype(np.uint8))
    true_place = volume.to_world(centre)
    for mask in (slices.lesions > 0, slices.scan.hu > -500):
        place = slices.scan.to_world(np.argwhere(mask).mean(axis=0))
        assert np.abs(place - true_place).max() < 1.3
        volume_mm3 = np.count_nonzero(mask) * slices.scan.voxel_mm3
        # The surface may lie half a voxel further in or out, on the scan's grid or on the new one.
        shell_mm3 = 4 * np.pi * radius**2 * max(*spacing, *slices.scan.spacing) / 2
        assert abs(volume_mm3 - 4 / 3 * np.pi * radius**3) < shell_mm3


def test_without_known_lesions_there_are_none():
    volume = Volume(np.zeros((4, 8, 8), np.int16), (2.5, 1.4, 1.4))
    slices = training_slices(volume, np.ones(volume.shape, bool), WorkingGridSettings())
    assert slices.lesions.dtype == np.uint8 and not slices.lesions.any()


@pytest.mark.parametrize("changes", [{"spacing_mm": [2.5, -1.0, 1.4]}, {"window_hu": [0.0, 0.0]}, {"margin": 3.0}])
def test_impossible_settings_are_refused(changes):
    with pytest.raises(ValidationError):
        WorkingGridSettings.model_validate(changes)


def test_values_come_back_to_the_voxels_they_belong_to():
    volume = Volume(np.zeros((24, 40, 50), np.int16), (1.25, 0.7, 0.8), origin=(3.0, -4.0, 5.0))
    lungs = block(volume.shape, (2, 20), (5, 35), (6, 44))
    settings = WorkingGridSettings(margin_mm=1.0)
    grid = inference_grid(volume, lungs, settings)
    assert grid.box == lung_box(lungs, volume.spacing, 1.0)
    assert np.array_equal(grid.part.hu, volume.hu[grid.box])
    # a linear function of the place, on the working grid and at the scan's voxels
    scan = training_slices(volume, lungs, settings).scan
    values, expected = (
        own.to_world(np.stack(np.indices(own.shape), axis=-1)) @ (1.0, 2.0, 3.0) for own in (scan, grid.part)
    )
    back = grid.to_part(values.astype(np.float32))
    assert back.shape == grid.part.shape
    inside = (slice(1, -1), slice(1, -1), slice(1, -1))  # the scan reaches further out than the grid, by up to a voxel
    np.testing.assert_allclose(back[inside], expected[inside], atol=1e-3)


@given(st.integers(0, 30), st.tuples(st.floats(0.8, 4), st.floats(0.5, 2), st.floats(0.5, 2)))
def test_what_lies_beyond_the_places_of_a_mask_does_not_reach_it(seed, spacing):
    rng = np.random.default_rng(seed)
    volume = Volume(np.zeros((14, 30, 32), np.int16), spacing, (7.0, -3.0, 90.0))
    lungs = np.zeros(volume.shape, bool)
    lungs[tuple(rng.integers(volume.shape, size=(5, 3)).T)] = True
    grid = inference_grid(volume, lungs, WorkingGridSettings(margin_mm=6.0))
    places = grid.places_of(lungs[grid.box])
    assert len(places) == len(grid.slices)
    inside, elsewhere = np.zeros(grid.slices.shape, np.float32), np.ones(grid.slices.shape, np.float32)
    for index, place in enumerate(places):
        if place is not None:
            inside[index][place], elsewhere[index][place] = 1, 0
    assert (grid.to_part(elsewhere)[lungs[grid.box]] == 0).all()
    for axis in range(3):  # no smaller box would do
        occupied = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        for end in occupied[[0, -1]]:
            one = np.moveaxis(np.zeros(inside.shape, np.float32), axis, 0)
            one[end] = 1
            assert grid.to_part(np.moveaxis(one, 0, axis))[lungs[grid.box]].any()


def test_slices_without_any_of_a_mask_have_no_place():
    volume = Volume(np.zeros((16, 20, 20), np.int16), (2.0, 1.0, 1.0))
    lungs = block(volume.shape, (5, 9), (4, 12), (6, 9))
    grid = inference_grid(volume, lungs, WorkingGridSettings(spacing_mm=[2.0, 1.0, 1.0], margin_mm=6.0))
    places = grid.places_of(lungs[grid.box])
    assert places == [None] * 3 + [(slice(4, 12), slice(6, 9))] * 4 + [None] * 3


@given(st.integers(0, 30), st.tuples(st.floats(0.8, 4), st.floats(0.5, 2), st.floats(0.5, 2)))
def test_training_and_prediction_see_the_same_slices(seed, spacing):
    rng = np.random.default_rng(seed)
    volume = Volume(rng.integers(-1100, 600, (14, 30, 32), dtype=np.int16), spacing, (7.0, -3.0, 90.0))
    lungs = np.zeros(volume.shape, bool)
    lungs[tuple(rng.integers(volume.shape, size=(9, 3)).T)] = True
    settings = WorkingGridSettings(margin_mm=3.0)
    seen, learnt = inference_grid(volume, lungs, settings), training_slices(volume, lungs, settings)
    one_hu = 1 / (settings.window_hu[1] - settings.window_hu[0])  # float32 and float64 may round a half differently
    np.testing.assert_allclose(seen.slices, window(learnt.scan.hu, settings.window_hu), atol=one_hu + 1e-6)


def test_neighbours_are_repeated_at_the_ends():
    volume = np.arange(4)[:, np.newaxis, np.newaxis] * np.ones((1, 2, 2))
    assert with_neighbours(volume, 0, 3)[:, 0, 0].tolist() == [0, 0, 1]
    assert with_neighbours(volume, 2, 3)[:, 0, 0].tolist() == [1, 2, 3]
    assert with_neighbours(volume, 3, 3)[:, 0, 0].tolist() == [2, 3, 3]
    assert with_neighbours(volume, 3, 1)[:, 0, 0].tolist() == [3]


UNEVEN = np.array([-10.0, -8.0, -6.0, -1.0, 0.0])


@pytest.mark.parametrize(
    "index, step_mm, expected",
    [
        (1, 2.0, [0, 1, 2]),
        (0, 2.0, [0, 0, 1]),  # beyond the end the last slice is repeated
        (4, 2.0, [3, 4, 4]),
        (2, 2.0, [1, 2, 2]),  # 5 mm are farther from 2 mm than no way at all
        (2, 4.0, [0, 2, 3]),
        (3, 2.5, [3, 3, 4]),  # 5 mm and none are as near: the slice itself
        (2, 100.0, [0, 2, 4]),
    ],
)
def test_neighbours_are_the_slices_nearest_to_a_step_away(index, step_mm, expected):
    assert neighbour_indices(UNEVEN, index, 3, step_mm).tolist() == expected
    assert neighbour_indices(UNEVEN, index, 1, step_mm).tolist() == [index]


def test_neighbours_of_several_steps():
    assert neighbour_indices(np.arange(9.0), 4, 5, 2.0).tolist() == [0, 2, 4, 6, 8]


@given(st.integers(1, 12), st.integers(0, 11), st.sampled_from([1, 3, 5]), st.floats(0.1, 50))
def test_on_an_even_grid_they_are_those_of_with_neighbours(count, index, channels, step_mm):
    index %= count
    slices = np.arange(count)
    found = neighbour_indices(step_mm * np.arange(count), index, channels, step_mm)
    assert np.array_equal(slices[found], with_neighbours(slices, index, channels))
