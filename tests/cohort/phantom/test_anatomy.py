"""The chest plane by plane."""

import numpy as np
import pytest

from lung_ssp.cohort.phantom.anatomy import Anatomy
from lung_ssp.cohort.phantom.chest import draw_chest
from lung_ssp.cohort.phantom.shapes import Plane

AXIS = (np.arange(192) - 95.5) * 1.9
PLANE = Plane.of_axes(AXIS, AXIS)


def anatomy(seed: int = 1) -> Anatomy:
    rng = np.random.default_rng(seed)
    chest = draw_chest(365.0, -830.0, rng)
    return Anatomy(chest, (-80.0, AXIS[0], AXIS[0]), (chest.lung_height + 40, AXIS[-1], AXIS[-1]), rng)


@pytest.fixture(scope="module")
def middle():
    chest = anatomy()
    return chest.slice_at(0.3 * chest.chest.lung_height, PLANE)


def test_a_plane_through_the_heart_shows_every_tissue(middle):
    inside = middle.wall_depth < 0
    assert np.mean(middle.lung[inside] > 0.5) > 0.4
    lung = middle.hu[middle.lung == 1]
    assert -860 < np.median(lung) < -790
    share = {
        "fat": np.mean((middle.hu > -130) & (middle.hu < -70)),
        "soft tissue": np.mean((middle.hu > 20) & (middle.hu < 70)),
        "bone": np.mean(middle.hu > 150),
        "air outside": np.mean(middle.hu == -1000),
    }
    assert share["fat"] > 0.03 and share["soft tissue"] > 0.1 and share["bone"] > 0.01 and share["air outside"] > 0.2


def test_the_heart_lies_to_the_left_and_the_spine_at_the_back(middle):
    heart = (middle.mediastinum_depth > 0) & (AXIS[:, None] < 0)
    assert AXIS[np.argwhere(heart)[:, 1]].mean() > 3  # x grows to the patient's left
    front = AXIS[np.argwhere(middle.hu > 150)[:, 0]]
    assert (front > 40).sum() > (front < -40).sum()


def test_lung_excludes_mediastinum_and_wall(middle):
    assert not middle.lung[(middle.mediastinum_depth > 2) | (middle.wall_depth > 2)].any()


def test_the_lungs_end_above_the_apices_and_below_the_domes():
    chest = anatomy()
    height = chest.chest.lung_height
    areas = [chest.slice_at(z, PLANE).lung.sum() for z in (-75.0, -20.0, 0.3 * height, 0.9 * height, height + 5)]
    assert areas[-1] == 0
    assert areas[0] < areas[1] < areas[2] > areas[3] > 0


def test_the_liver_fills_the_right_side_below_the_dome():
    below = anatomy().slice_at(-20.0, PLANE)
    right_middle = below.hu[90:100, int(np.argmin(np.abs(AXIS + 60)))]
    assert 40 < right_middle.mean() < 70


def test_chests_differ():
    one, two = (anatomy(seed).slice_at(60.0, PLANE) for seed in (1, 2))
    overlap = 2 * ((one.lung > 0.5) & (two.lung > 0.5)).sum() / ((one.lung > 0.5).sum() + (two.lung > 0.5).sum())
    assert 0.6 < overlap < 0.97
