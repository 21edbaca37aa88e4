"""Lesions in three dimensions."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import ndimage

from lung_ssp.cohort.phantom.attributes import LesionAttributes
from lung_ssp.cohort.phantom.lesion import AZIMUTH, POLAR, directions_of_table, draw_surface, half_turn, render_lesion
from lung_ssp.cohort.phantom.looks import VALUES

AXIS = np.arange(-24, 24, 0.75) + 0.3
AXES = (AXIS, AXIS, AXIS)


def attributes(**changes) -> LesionAttributes:
    plain = {
        "finding": "nodule",
        "diameter_mm": 24.0,
        "texture": "solid",
        "spiculation": 0.0,
        "lobulation": 0.0,
        "elongation": 0.0,
        "cavity": False,
        "calcification": "none",
        "necrosis": False,
        "location": "parenchyma",
        "years_grown": 0,
    }
    return LesionAttributes(**(plain | changes))


class Rendering(NamedTuple):
    coverage: np.ndarray
    hu: np.ndarray


def render(seed: int = 0, **changes):
    lesion = attributes(**changes)
    rng = np.random.default_rng(seed)
    return Rendering(*render_lesion(lesion, AXES, draw_surface(lesion, rng), rng))


def mean_over_seeds(measure, **changes) -> float:
    return float(np.mean([measure(render(seed, **changes)) for seed in range(6)]))


def test_a_smooth_ball_has_its_diameter():
    volume = render().coverage.sum() * 0.75**3
    assert 2 * (3 * volume / 4 / np.pi) ** (1 / 3) == pytest.approx(24, rel=0.06)


def test_a_lesion_is_one_piece_with_soft_borders():
    coverage = render(spiculation=0.9, lobulation=0.9).coverage
    assert ndimage.label(coverage >= 0.5)[1] == 1
    assert ((coverage > 0.05) & (coverage < 0.95)).any()
    assert coverage.min() == 0 and coverage.max() == 1


@pytest.mark.parametrize("attribute", ["spiculation", "lobulation", "elongation"])
def test_what_makes_a_lesion_less_round_lowers_its_compactness(attribute):
    def roughness(rendering) -> float:
        """Surface over that of a ball of the same volume."""
        mask = rendering.coverage >= 0.5
        surface = np.count_nonzero(mask & ~ndimage.binary_erosion(mask))
        return surface / np.count_nonzero(mask) ** (2 / 3)

    assert mean_over_seeds(roughness, **{attribute: 0.9}) > 1.05 * mean_over_seeds(roughness)


def test_texture_sets_the_attenuation():
    def core_and_rim(texture: str) -> tuple[float, float]:
        rendering = render(texture=texture)
        distance = np.sqrt(AXIS[:, None, None] ** 2 + AXIS[:, None] ** 2 + AXIS**2)
        return rendering.hu[distance < 3].mean(), rendering.hu[(distance > 9) & (distance < 11)].mean()

    solid, part_solid, ground_glass = (core_and_rim(texture) for texture in VALUES["texture"])
    assert min(solid) > 0 and max(solid) < 80
    assert part_solid[0] > 0 and -800 < part_solid[1] < -400
    assert min(ground_glass) > -800 and max(ground_glass) < -400


def test_cavity_calcification_and_necrosis_show():
    plain = render().hu
    inside = render().coverage > 0.9
    assert render(cavity=True).hu[inside].min() < -800 < plain[inside].min()
    assert render(calcification="central").hu[inside].max() > 200 > plain[inside].max()
    assert render(calcification="eccentric").hu[inside].max() > 200
    assert render(necrosis=True).hu[inside].mean() < plain[inside].mean() - 5


def test_the_same_random_numbers_give_the_same_lesion():
    a, b = render(3, spiculation=0.7), render(3, spiculation=0.7)
    np.testing.assert_array_equal(a.coverage, b.coverage)
    np.testing.assert_array_equal(a.hu, b.hu)


def test_a_half_turn_stands_for_the_angle():
    angles = np.linspace(0, np.pi, 50)
    turned = half_turn(np.cos(angles), np.sin(angles))
    np.testing.assert_allclose(turned[[0, -1]], [0, 2], atol=1e-5)
    assert half_turn(np.array(0.0), np.array(1.0)) == 1
    assert (np.diff(turned) > 0.02).all()  # it rises everywhere


def test_the_directions_of_the_table_lie_where_a_lesion_looks_them_up():
    directions = directions_of_table().reshape(POLAR, AZIMUTH, 3)
    np.testing.assert_allclose(np.sqrt((directions**2).sum(axis=-1)), 1)
    first, second, third = np.moveaxis(directions[1:-1], -1, 0)  # at the poles the turn does not matter
    polar = half_turn(first, np.hypot(second, third))
    np.testing.assert_allclose(polar, np.broadcast_to(np.linspace(0, 2, POLAR)[1:-1, None], polar.shape), atol=1e-5)
    forth = half_turn(third, np.abs(second))
    azimuth = np.where(second < -1e-9, 4 - forth, forth)
    np.testing.assert_allclose(azimuth, np.broadcast_to(np.arange(AZIMUTH) / 24, azimuth.shape), atol=1e-4)


def test_every_orientation_is_a_rotation_or_its_mirror_image():
    for seed in range(5):
        rotation = draw_surface(attributes(), np.random.default_rng(seed)).rotation
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
