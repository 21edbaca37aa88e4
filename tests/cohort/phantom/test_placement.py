"""Lesions lie where their location has them."""

import numpy as np
import pytest

from lung_ssp.cohort.phantom.anatomy import Anatomy
from lung_ssp.cohort.phantom.attributes import LesionAttributes
from lung_ssp.cohort.phantom.chest import draw_chest
from lung_ssp.cohort.phantom.looks import VALUES
from lung_ssp.cohort.phantom.placement import place_lesions, survey_chest
from lung_ssp.cohort.phantom.vessels import grow_lung_trees


def lesion(location: str, diameter: float) -> LesionAttributes:
    return LesionAttributes("nodule", diameter, "solid", 0.1, 0.1, 0.1, False, "none", False, location, 0)


@pytest.fixture(scope="module")
def placed():
    rng = np.random.default_rng(4)
    chest = draw_chest(350.0, -830.0, rng)
    low, high = (-60.0, -175.0, -175.0), (chest.lung_height + 10, 175.0, 175.0)
    survey = survey_chest(Anatomy(chest, low, high, rng), low, high)
    vessels, _ = grow_lung_trees(chest, survey.places[survey.to_surface > 3], rng)
    lesions = [lesion(name, 20.0) for name in VALUES["location"] for _ in range(3)]
    return lesions, place_lesions(lesions, survey, vessels, rng), survey, vessels


def test_distance_to_what_the_location_names(placed):
    lesions, centres, survey, vessels = placed
    for own, centre in zip(lesions, centres, strict=True):
        nearest = np.argmin(np.linalg.norm(survey.places - centre, axis=1))
        match own.location:
            case "wall":
                assert survey.to_wall[nearest] < 14
            case "mediastinum":
                assert survey.to_mediastinum[nearest] < 14
            case "vessel":
                thick = vessels.start[vessels.start_radius > 1.2]
                assert np.linalg.norm(thick - centre, axis=1).min() < 16
            case _:
                assert survey.to_surface[nearest] > 8


def test_lesions_do_not_overlap(placed):
    _, centres, _, _ = placed
    distances = np.linalg.norm(centres[:, None] - centres, axis=2) + 1000 * np.eye(len(centres))
    assert distances.min() > 20


def test_the_lungs_are_two_and_of_plausible_size(placed):
    survey = placed[2]
    for side in (survey.places[:, 2] < 0, survey.places[:, 2] > 0):
        litres = np.count_nonzero(side) * 4.0**3 / 1e6
        assert 1.0 < litres < 3.8
