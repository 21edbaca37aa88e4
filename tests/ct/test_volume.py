import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.transform import Rotation

from lung_ssp.ct.volume import Volume, mean_weights, resample_axis, window

millimetres = st.floats(-500, 500)
spacings = st.tuples(*[st.floats(0.3, 5)] * 3)


@st.composite
def volumes(draw):
    turn = Rotation.from_euler("xyz", draw(st.tuples(*[st.floats(-3, 3)] * 3))).as_matrix()
    return Volume(
        np.zeros((4, 5, 6), np.int16),
        draw(spacings),
        draw(st.tuples(millimetres, millimetres, millimetres)),
        tuple(turn.ravel()),
    )


@given(volumes(), arrays.arrays(float, (7, 3), elements=st.floats(-600, 600)))
def test_world_and_index_are_inverse(volume, indices):
    np.testing.assert_allclose(volume.to_index(volume.to_world(indices)), indices, atol=1e-6)


@given(volumes(), st.tuples(*[st.integers(0, 3)] * 3))
def test_world_is_that_of_simpleitk(volume, index):
    z, y, x = index
    expected = volume.to_image().TransformIndexToPhysicalPoint((x, y, z))
    assert volume.to_world(index) == pytest.approx(expected, abs=1e-6)


@given(volumes())
def test_image_and_back(volume):
    back = Volume.from_image(volume.to_image(), "1.2.3")
    np.testing.assert_array_equal(back.hu, volume.hu)
    assert back.spacing == pytest.approx(volume.spacing)
    assert back.origin == pytest.approx(volume.origin)
    assert back.direction == pytest.approx(volume.direction)
    assert back.series_uid == "1.2.3"


@given(volumes(), st.tuples(*[st.integers(0, 3)] * 3))
def test_voxels_keep_their_place_when_cropped(volume, start):
    box = tuple(slice(first, None) for first in start)
    part = volume.crop(box)
    np.testing.assert_array_equal(part.hu, volume.hu[box])
    assert part.to_world((0, 0, 0)) == pytest.approx(volume.to_world(start))


@given(volumes(), spacings)
def test_resampling_keeps_centre_and_constants(volume, spacing):
    constant = Volume(np.full(volume.shape, -850, np.int16), volume.spacing, volume.origin, volume.direction)
    resampled = constant.with_spacing(spacing)
    assert np.all(resampled.hu == -850)
    assert resampled.spacing == spacing
    middles = [(np.array(each.shape) - 1) / 2 for each in (constant, resampled)]
    assert resampled.to_world(middles[1]) == pytest.approx(constant.to_world(middles[0]), abs=1e-6)


def ramp(shape=(12, 14, 16), spacing=(2.0, 1.0, 1.5)):
    z, y, x = np.indices(shape)
    return Volume((10 * z + 20 * y - 30 * x).astype(np.int16), spacing, (5.0, 6.0, 7.0))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 1.0, 1.5), (4.0, 2.5, 3.0), (1.3, 2.0, 0.7)])
def test_a_ramp_stays_a_ramp(spacing):
    """Linear interpolation and means over symmetric intervals reproduce linear functions, the border apart."""
    volume = ramp()
    resampled = volume.with_spacing(spacing)
    inner = np.array(list(np.ndindex(resampled.shape)))
    index = volume.to_index(resampled.to_world(inner))
    margin = np.maximum(np.array(spacing) / volume.spacing, 1)
    inside = np.all((index >= margin) & (index <= np.array(volume.shape) - 1 - margin), axis=1)
    assert inside.sum() > 20
    expected = index[inside] @ [10, 20, -30]
    np.testing.assert_allclose(resampled.hu[tuple(inner[inside].T)], expected, atol=0.51)


def test_the_own_spacing_changes_nothing():
    volume = ramp()
    np.testing.assert_array_equal(volume.with_spacing(volume.spacing).hu, volume.hu)


@given(st.integers(0, 30), st.tuples(st.floats(0.5, 4), st.floats(0.5, 2), st.floats(0.5, 2)))
def test_sums_in_float64_round_as_those_in_float32_but_for_halves(seed, spacing):
    hu = np.random.default_rng(seed).integers(-1100, 600, (14, 30, 32), dtype=np.int16)
    volume = Volume(hu, spacing)
    fast, same = volume.with_spacing((2.5, 1.4, 1.4)).hu, volume.with_spacing((2.5, 1.4, 1.4), np.float64).hu
    assert np.abs(fast - same).max() <= 1


def test_a_half_becomes_an_even_hu_in_float64():
    """Between -801 and -800 HU lies -800.5, between -800 and -799 lies -799.5."""
    volume = Volume(np.array([[[-801, -800, -800, -799]]], np.int16), (1.0, 1.0, 1.0))
    assert volume.with_spacing((1.0, 1.0, 2.0), np.float64).hu.ravel().tolist() == [-800, -800]


def test_fine_stripes_do_not_alias():
    """Stripes of one voxel, seen at 2.3 times their width, are grey and not stripes of another width."""
    hu = np.zeros((4, 64, 64), np.int16)
    hu[:, :, ::2] = 1000
    coarse = Volume(hu, (1.0, 1.0, 1.0)).with_spacing((1.0, 1.0, 2.3)).hu[:, :, 2:-2]
    assert abs(coarse.mean() - 500) < 10
    assert coarse.std() < 130


def test_the_window_becomes_0_to_1_and_the_rest_is_clipped() -> None:
    values = window(np.array([-3024, -1000, -300, 400, 1500], np.int16), [-1000, 400])
    assert values.dtype == np.float32
    assert values.tolist() == [0, 0, 0.5, 1, 1]


def test_weights_by_hand():
    # between samples; at a sample; one voxel wide around a sample: 1/8, 3/4, 1/8; half of it beyond the end
    np.testing.assert_allclose(mean_weights(3, np.array([0.25]), 0), [[0.75, 0.25, 0]])
    np.testing.assert_allclose(mean_weights(3, np.array([1.0]), 0), [[0, 1, 0]])
    np.testing.assert_allclose(mean_weights(3, np.array([1.0]), 1), [[1 / 8, 3 / 4, 1 / 8]])
    np.testing.assert_allclose(mean_weights(3, np.array([-0.5]), 1), [[0.5, 0, 0]])
    np.testing.assert_allclose(mean_weights(2, np.array([0.5]), 3), [[1 / 3, 1 / 3]])


@given(st.floats(2, 7), st.floats(0.01, 4))
def test_inside_they_sum_to_one(centre, width):
    weights = mean_weights(10, np.array([centre]), width)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-5)


@given(st.floats(3, 6), st.floats(0.1, 4))
def test_they_are_the_integral_of_the_interpolated_signal(centre, width):
    signal = np.random.default_rng(0).normal(size=10)
    fine = np.linspace(centre - width / 2, centre + width / 2, 4001)
    expected = np.interp(fine, np.arange(10), signal).mean()
    assert mean_weights(10, np.array([centre]), width)[0] @ signal == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_resample_axis(axis):
    rng = np.random.default_rng(0)
    volume, weights = rng.normal(size=(3, 4, 5)), rng.normal(size=(7, 3 + axis))
    expected = np.moveaxis(np.tensordot(weights, volume, (1, axis)), 0, axis)
    np.testing.assert_allclose(resample_axis(volume, weights, axis), expected)
