"""Drawing attributes, and the exact posterior of the classes given them."""

import numpy as np
import pytest
from scipy import stats

from lung_ssp.cohort.phantom.attributes import DIAMETER_RANGE_MM, LesionAttributes, draw_lesion, log_posterior
from lung_ssp.cohort.phantom.looks import ClassLooks, Look


def look(**changes) -> Look:
    plain = {
        "name": "plain",
        "weight": 1.0,
        "finding": [0.0, 0.0, 1.0],
        "diameter_mm": [15.0, 0.4],
        "growth": 1.0,
        "texture": [0.5, 0.25, 0.25],
        "spiculation": [1.0, 1.0],
        "lobulation": [1.0, 1.0],
        "elongation": [1.0, 1.0],
        "cavity": 0.1,
        "calcification": [1.0, 0.0, 0.0],
        "necrosis": 0.5,
        "location": [1.0, 0.0, 0.0, 0.0],
    }
    return Look(**(plain | changes))


def lesion(**changes) -> LesionAttributes:
    plain = {
        "finding": "nodule",
        "diameter_mm": 15.0,
        "texture": "solid",
        "spiculation": 0.5,
        "lobulation": 0.5,
        "elongation": 0.5,
        "cavity": False,
        "calcification": "none",
        "necrosis": False,
        "location": "parenchyma",
        "years_grown": 0,
    }
    return LesionAttributes(**(plain | changes))


def test_posterior_by_hand():
    """Two classes that differ in cavity (0.1 or 0.4) and texture; priors 3/4 and 1/4."""
    classes = [[look()], [look(cavity=0.4, texture=[0.25, 0.25, 0.5])]]
    posterior = np.exp(
        log_posterior([lesion(), lesion(cavity=True, texture="ground glass")], classes, np.array([0.75, 0.25]))
    )
    # solid, no cavity: 0.75 * 0.5 * 0.9 = 0.3375 against 0.25 * 0.25 * 0.6 = 0.0375
    np.testing.assert_allclose(posterior[0], [0.9, 0.1])
    # ground glass with a cavity: 0.75 * 0.25 * 0.1 = 0.01875 against 0.25 * 0.5 * 0.4 = 0.05
    np.testing.assert_allclose(posterior[1], [0.01875 / 0.06875, 0.05 / 0.06875])


def test_posterior_of_a_class_with_two_looks():
    """The looks of a class are mixed by weight: 0.5 * 0.2 + 0.5 * 0.6 = 0.4 against 0.1."""
    classes = [[look(cavity=0.1)], [look(weight=0.5, cavity=0.2), look(weight=0.5, cavity=0.6)]]
    posterior = np.exp(log_posterior([lesion(cavity=True)], classes, np.array([0.5, 0.5])))
    np.testing.assert_allclose(posterior[0], [0.2, 0.8])


def test_posterior_of_continuous_attributes_matches_scipy():
    classes = [[look()], [look(diameter_mm=[25.0, 0.3], growth=1.2, spiculation=[4.0, 2.0])]]
    seen = lesion(diameter_mm=30.0, years_grown=2, spiculation=0.8)
    first, second = (
        stats.truncnorm(
            *((np.log(end) - np.log(median)) / spread for end in DIAMETER_RANGE_MM), np.log(median), spread
        ).pdf(np.log(30.0))
        for median, spread in ((15.0, 0.4), (25.0 * 1.2**2, 0.3))
    )
    second *= stats.beta(4, 2).pdf(0.8)
    posterior = np.exp(log_posterior([seen], classes, np.array([0.5, 0.5])))
    np.testing.assert_allclose(posterior[0], [first / (first + second), second / (first + second)])


def test_an_impossible_attribute_excludes_a_class():
    classes = [[look(finding=[1.0, 0.0, 0.0])], [look()]]
    posterior = np.exp(log_posterior([lesion()], classes, np.array([0.99, 0.01])))
    np.testing.assert_array_equal(posterior[0], [0.0, 1.0])


def test_draws_follow_the_look_in_every_year():
    """Shares and the median diameter of 4,000 lesions, in their first and their third year."""
    rng = np.random.default_rng(0)
    lesions = [draw_lesion([look(growth=1.3, cavity=0.3)], 3, rng) for _ in range(4000)]
    for year in (0, 2):
        own = [years[year] for years in lesions]
        assert np.median([o.diameter_mm for o in own]) == pytest.approx(15.0 * 1.3**year, rel=0.03)
        assert np.mean([o.cavity for o in own]) == pytest.approx(0.3, abs=0.03)
        assert np.mean([o.texture == "solid" for o in own]) == pytest.approx(0.5, abs=0.03)
        assert all(o.years_grown == year for o in own)
    assert all(a.diameter_mm < b.diameter_mm < c.diameter_mm for a, b, c in lesions)
    assert all(a.spiculation == c.spiculation and a.location == c.location for a, _, c in lesions)


def test_diameters_stay_in_their_range():
    rng = np.random.default_rng(1)
    lesions = [draw_lesion([look(diameter_mm=[60.0, 1.0])], 1, rng)[0] for _ in range(500)]
    assert all(DIAMETER_RANGE_MM[0] <= o.diameter_mm <= DIAMETER_RANGE_MM[1] for o in lesions)


def test_posterior_is_calibrated_on_the_shipped_looks():
    """Of lesions whose most probable class has a probability near p, about the share p is of that class."""
    rng = np.random.default_rng(2)
    classes = ClassLooks().of_classes()
    labels = np.repeat(np.arange(9), 250)
    lesions = [draw_lesion(classes[label], 1, rng)[0] for label in labels]
    posterior = np.exp(log_posterior(lesions, classes, np.full(9, 1 / 9)))
    right = posterior.argmax(axis=1) == labels
    confidence = posterior.max(axis=1)
    assert right.mean() == pytest.approx(confidence.mean(), abs=0.03)
    sure = confidence > 0.9
    assert right[sure].mean() == pytest.approx(confidence[sure].mean(), abs=0.03)
