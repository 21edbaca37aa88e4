"""The grid of a scan's source, in which its masks are written."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis.own_grid import own_grid

TURNS = [
    np.diag(signs)[:, list(order)]
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1.0, -1.0), repeat=3)
]


@pytest.mark.parametrize("oblique", [0.0, 0.15])
@pytest.mark.parametrize("turn", TURNS)
def test_it_is_the_grid_before_the_volume_was_turned(turn: np.ndarray, oblique: float) -> None:
    """All 48 ways to store three axes, with SimpleITK's turn as the truth."""
    slanted = np.array([[np.cos(oblique), -np.sin(oblique), 0], [np.sin(oblique), np.cos(oblique), 0], [0, 0, 1]])
    stored = sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 1000, (4, 5, 6)).astype(np.int16))
    stored.SetSpacing((0.7, 0.8, 2.5))
    stored.SetOrigin((-10.0, 20.0, 30.0))
    stored.SetDirection((slanted @ turn).ravel().tolist())
    volume = Volume.from_image(sitk.DICOMOrient(stored, "LPS"))
    grid = own_grid(volume, stored.GetDirection())
    np.testing.assert_array_equal(grid.turned(volume.hu), sitk.GetArrayFromImage(stored))
    assert grid.turned(volume.hu).base is not None  # a view
    assert grid.spacing == pytest.approx((2.5, 0.8, 0.7))
    assert grid.origin == pytest.approx((-10.0, 20.0, 30.0))
    assert grid.direction == pytest.approx(stored.GetDirection(), abs=1e-9)
    assert grid.normal == pytest.approx((slanted @ turn)[:, 2], abs=1e-9)
