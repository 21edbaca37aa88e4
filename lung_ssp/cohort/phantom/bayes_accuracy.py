"""The Bayes accuracy of the synthetic cohort: that of the generator's own posterior, which no classifier beats."""

import numpy as np

from lung_ssp.cohort.phantom.attributes import LesionAttributes, draw_lesion, log_posterior
from lung_ssp.cohort.phantom.randomness import POPULATION, draw_index, generator
from lung_ssp.cohort.phantom.settings import PhantomSettings

SAMPLE = 20_000  # sections of the large sample: its accuracy is known to a standard error of about 0.4 points

STATEMENT = (
    "Accuracy of the class that the generator's own posterior, given the true attributes, finds most probable. It "
    "belongs to the synthetic generator, was fixed before any network was trained, and says nothing about patients."
)


def accuracy_of_posterior(posterior: np.ndarray, labels: np.ndarray) -> float:
    """Share of lesions whose most probable class is the label. posterior: (n, classes), labels: (n,)."""
    return float(np.mean(posterior.argmax(axis=1) == labels))


def accuracy_of_population(settings: PhantomSettings, seed: int) -> float:
    """The Bayes accuracy of the pathology on a large sample with the test split's shares of the classes."""
    rng = generator(seed, POPULATION)
    classes = settings.looks.of_classes()
    counts = np.array(settings.sections.counts.test.as_list(), dtype=float)
    shares = counts / counts.sum()
    lesions: list[LesionAttributes] = []
    labels: list[int] = []
    for label, share in enumerate(shares):
        wanted = round(SAMPLE * share)
        while wanted > 0:
            years = min(1 + draw_index(settings.patients.years_seen, rng), wanted)
            lesions += draw_lesion(classes[label], years, rng)
            labels += [label] * years
            wanted -= years
    return accuracy_of_posterior(log_posterior(lesions, classes, shares), np.array(labels))
