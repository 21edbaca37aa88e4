import numpy as np
import pytest

from lung_ssp.ct.airways import segment_airways

SPACING = (2.5, 1.0, 1.0)


def neck(bronchus_at=10):
    """Two lungs of -850 HU and a trachea of -1000 that forks into them, with 20 HU of noise; z towards the head."""
    z, y, x = np.indices((50, 70, 140))
    right, left = (((x - middle) / 30) ** 2 + ((y - 35) / 30) ** 2 < 1 for middle in (35, 105))
    lungs = (z < 40) & (right | left)
    airway = (z >= bronchus_at) & ((x - 70) ** 2 + (y - 35) ** 2 < 8**2)
    reach = (bronchus_at - z) * 3.0
    for side in (-1, 1):
        airway |= (z < bronchus_at) & (z > bronchus_at - 9) & ((x - 70 - side * reach) ** 2 + (y - 35) ** 2 < 6**2)
    hu = np.full(z.shape, 40.0)
    hu[lungs], hu[airway] = -850, -1000
    hu += np.random.default_rng(0).normal(0, 20, hu.shape)
    return np.rint(hu).astype(np.int16), lungs | airway, airway & ~lungs, lungs & ~airway


def test_trachea_and_bronchi_are_followed_into_the_lungs():
    hu, dark, airway, lungs = neck()
    found = segment_airways(hu, dark, SPACING)
    assert found[airway].mean() > 0.95
    assert found[lungs].mean() < 0.02
    assert not found[~dark].any()


def test_a_thin_wall_to_the_lung_does_not_leak():
    """A trachea that touches the lung in a slice, as a wall thinner than a voxel looks."""
    hu, dark, airway, lungs = neck()
    hu[25, 35, 60:65], dark[25, 35, 60:65] = -850, True
    found = segment_airways(hu, dark, SPACING)
    assert found[airway].mean() > 0.95
    assert found[lungs].mean() < 0.02


def test_lungs_without_a_trachea_stay_whole():
    hu, dark, airway, _ = neck()
    dark &= ~airway
    assert not segment_airways(hu, dark, SPACING).any()


def test_too_short_for_a_trachea():
    hu, dark, airway, _ = neck(bronchus_at=46)
    assert airway[46:].any()
    dark[:46] &= ~airway[:46]
    assert not segment_airways(hu, dark, SPACING).any()


@pytest.mark.parametrize("shift", [-30, 30])
def test_a_round_part_far_from_the_midline_is_no_trachea(shift):
    hu, dark, airway, _ = neck()
    moved = np.roll(airway & (np.arange(50) >= 40)[:, None, None], shift, axis=2)
    assert not segment_airways(hu, (dark & ~airway) | moved, SPACING).any()


def test_where_one_lung_is_missing_the_trachea_is_sought_between_both_sides():
    """Without the right lung the middle of what is left lies in the left lung, and so far off is no trachea."""
    hu, dark, airway, _ = neck()
    left = dark & (airway | (np.arange(140) >= 70))
    assert not segment_airways(hu, left, SPACING).any()
    found = segment_airways(hu, left, SPACING, middle=70)
    assert found[airway & left].mean() > 0.9
    assert found[~airway].mean() < 0.02
