"""Stored pixels to voxels."""

import numpy as np
import pytest

from lung_ssp.cohort.annotations.planes import Plane, slice_voxels, stored_plane
from lung_ssp.ct.series import SliceReference, open_series
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CohortError

VOLUME = Volume(np.zeros((5, 6, 8), np.int16), (2.0, 0.5, 0.5), (10.0, 20.0, 30.0))


def plane(position=(10.0, 20.0, 34.0), orientation=(1, 0, 0, 0, 1, 0), spacing=(0.5, 0.5), shape=(6, 8)):
    return Plane(position, orientation, spacing, shape)


def voxels(pixel, own):
    return own.to_voxels(np.array(pixel)[:, None], VOLUME).ravel().tolist()


def test_a_plane_of_the_volume_keeps_its_pixels():
    own = plane()
    assert own.fits(VOLUME) and own.depth(VOLUME) == pytest.approx(2)
    assert voxels((1, 3), own) == [1, 3]


def test_turned_planes_go_by_coordinates():
    upside_down = plane(position=(13.5, 22.5, 34.0), orientation=(-1, 0, 0, 0, -1, 0))
    assert voxels((1, 3), upside_down) == [4, 4]
    transposed = plane(orientation=(0, 1, 0, 1, 0, 0), shape=(8, 6))
    assert transposed.fits(VOLUME) and voxels((1, 3), transposed) == [3, 1]


def test_a_shift_by_part_of_a_pixel_moves_the_plane_as_a_whole():
    own = plane(position=(10.2, 19.8, 34.0))
    everything = own.to_voxels(np.indices((6, 8)).reshape(2, -1), VOLUME)
    np.testing.assert_array_equal(everything, np.indices((6, 8)).reshape(2, -1))


def test_other_pixels_or_another_tilt_do_not_fit():
    assert not plane(spacing=(0.6, 0.6)).fits(VOLUME)
    assert not plane(orientation=(1, 0, 0, 0, 0, 1)).fits(VOLUME)
    assert not plane(orientation=(0.8, 0.6, 0, -0.6, 0.8, 0)).fits(VOLUME)
    with pytest.raises(CohortError, match="none of the series"):
        slice_voxels(np.ones((6, 8), bool), plane(spacing=(0.6, 0.6)), VOLUME, "A mask")


def test_pixels_outside_the_volume_are_refused():
    shifted = plane(position=(12.0, 20.0, 34.0))
    pixels = np.zeros((6, 8), bool)
    pixels[2, 3] = True
    assert slice_voxels(pixels, shifted, VOLUME, "A mask").ravel().tolist() == [2, 7]
    pixels[2, 4] = True
    with pytest.raises(CohortError, match="A mask lies partly outside"):
        slice_voxels(pixels, shifted, VOLUME, "A mask")


def test_the_stored_plane_of_a_slice(turned):
    series = open_series(turned)
    own = stored_plane(series.slices[4])
    assert own.orientation == (-1, 0, 0, 0, -1, 0) and own.shape == (30, 40)
    assert own.depth(series.volume) == pytest.approx(4)
    y, x = own.to_voxels(np.array([[0], [0]]), series.volume)
    assert (y[0], x[0]) == (29, 39)
    with pytest.raises(CohortError, match="no DICOM file"):
        stored_plane(SliceReference())
