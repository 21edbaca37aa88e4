"""The Bayes accuracy of the shipped cohort, and how it is counted."""

import numpy as np
import pytest

from lung_ssp.cohort.phantom.bayes_accuracy import accuracy_of_population, accuracy_of_posterior
from lung_ssp.cohort.phantom.patients import plan_patients
from lung_ssp.cohort.phantom.sections import plan_sections, posterior_of
from lung_ssp.cohort.phantom.settings import PhantomSettings

SHIPPED = PhantomSettings()


def test_accuracy_of_a_posterior_by_hand():
    posterior = np.log([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]])
    assert accuracy_of_posterior(posterior, np.array([0, 1, 1, 1])) == 0.75


@pytest.mark.slow
def test_the_shipped_bayes_accuracy_lies_between_70_and_85_percent():
    population = accuracy_of_population(SHIPPED, seed=42)
    sections = plan_sections(plan_patients(SHIPPED, seed=42), "test")
    test = accuracy_of_posterior(posterior_of(sections, SHIPPED, "test"), np.array([s.label for s in sections]))
    assert 0.70 <= test <= 0.85
    assert 0.70 <= population <= 0.85
    assert test == pytest.approx(population, abs=0.035)  # 1,540 sections of some 700 patients
