"""Ellipses in a plane."""

import numpy as np
import pytest

from lung_ssp.cohort.phantom.shapes import Ellipse, Plane, smooth_step, squircle
from lung_ssp.cohort.phantom.tissue import CORTEX, MARROW

AXIS = np.arange(-50, 50.5, 0.5)
PLANE = Plane.of_axes(AXIS, AXIS)


def at(y: float, x: float) -> tuple[int, int]:
    return int(np.argmin(np.abs(AXIS - y))), int(np.argmin(np.abs(AXIS - x)))


def test_depth_in_a_circle_is_the_distance_from_its_edge():
    depth = PLANE.depth_in(Ellipse(10, -5, 20, 20))
    assert depth[at(10, -5)] == pytest.approx(20, abs=1e-4)
    assert depth[at(10, 10)] == pytest.approx(5, abs=1e-4)
    assert depth[at(10, 20)] == pytest.approx(-5, abs=1e-4)


def test_an_ellipse_turns_from_the_left_towards_the_back():
    """Long along x, turned by 90 degrees it is long along y; by 45 degrees it reaches left and back together."""
    upright = PLANE.depth_in(Ellipse(0, 0, 5, 30, np.pi / 2))
    assert upright[at(25, 0)] > 0 > upright[at(0, 25)]
    slanted = PLANE.depth_in(Ellipse(0, 0, 5, 30, np.pi / 4))
    assert slanted[at(15, 15)] > 0 > slanted[at(15, -15)]


def test_filling_covers_the_area_and_nothing_else():
    hu = np.zeros(PLANE.shape, dtype=np.float32)
    PLANE.fill(hu, Ellipse(-10, 12, 8, 15), 100.0)
    assert hu.sum() / 100 * 0.25 == pytest.approx(np.pi * 8 * 15, rel=0.02)
    assert hu[at(20, -20)] == 0


def test_bone_has_cortex_around_marrow():
    hu = np.zeros(PLANE.shape, dtype=np.float32)
    PLANE.fill_bone(hu, Ellipse(0, 0, 12, 12))
    assert hu[at(0, 0)] == pytest.approx(MARROW)
    assert hu[at(0, 11)] == pytest.approx(CORTEX)
    assert hu[at(0, 14)] == 0


def test_shapes_outside_the_plane_draw_nothing():
    hu = np.zeros(PLANE.shape, dtype=np.float32)
    PLANE.fill(hu, Ellipse(500, 0, 8, 15), 100.0)
    assert not hu.any()


def test_a_squircle_of_squareness_0_is_an_ellipse_and_of_1_reaches_into_the_corners():
    y, x = AXIS[:, None], AXIS[None, :]
    ellipse, square = squircle(y, x, 30, 40, 0.0), squircle(y, x, 30, 40, 1.0)
    for outline in (ellipse, square):
        assert outline[at(30, 0)] == pytest.approx(0, abs=1e-4)
        assert outline[at(0, -40)] == pytest.approx(0, abs=1e-4)
    corner = at(24, 32)  # level sqrt(0.8^2 + 0.8^2) = 1.13 of the ellipse, (2 * 0.8^4)^(1/4) = 0.95 of the square
    assert square[corner] < 0 < ellipse[corner]


def test_smooth_step():
    assert [smooth_step(value) for value in (-1, 0, 0.5, 1, 2)] == [0, 0, 0.5, 1, 1]
