"""The reader behind the image diagnosis."""

import numpy as np
import pytest

from lung_ssp.cohort.phantom.reader import read_lesions
from lung_ssp.cohort.phantom.settings import ReaderSettings


def read(posterior, diameters, normal_calls, **changes):
    shares = posterior.mean(axis=0)
    return read_lesions(
        np.log(posterior), diameters, shares, normal_calls, ReaderSettings(**changes), np.random.default_rng(3)
    )


def posteriors(n: int, sharpness: float) -> np.ndarray:
    """(n, 3), each the most probable class in turn."""
    posterior = np.full((n, 3), (1 - sharpness) / 2)
    posterior[np.arange(n), np.arange(n) % 3] = sharpness
    return posterior


def test_exactly_the_configured_number_is_called_normal():
    for calls in (0, 17, 100, 300):
        labels = read(posteriors(300, 0.8), np.full(300, 15.0), calls)
        assert np.count_nonzero(labels == 0) == calls


def test_a_reader_without_noise_names_the_most_probable_class():
    labels = read(posteriors(300, 0.9), np.full(300, 30.0), 100, noise=0.01, noise_when_small=0, lapse=0)
    np.testing.assert_array_equal(labels, np.arange(300) % 3)


def test_small_and_ambiguous_lesions_are_misread_more_often():
    n = 3000
    truth = np.arange(n) % 3

    def errors(sharpness: float, diameter: float) -> float:
        return np.mean(read(posteriors(n, sharpness), np.full(n, diameter), n // 3) != truth)

    assert errors(0.9, 5.0) > errors(0.9, 40.0) + 0.03
    assert errors(0.6, 20.0) > errors(0.9, 20.0) + 0.10


def test_a_class_that_does_not_occur_is_never_named():
    posterior = np.column_stack([posteriors(300, 0.7), np.zeros(300)])
    with np.errstate(divide="ignore"):
        labels = read(posterior, np.full(300, 8.0), 100)
    assert set(labels.tolist()) == {0, 1, 2}


def test_the_classes_are_called_as_often_as_the_reader_expects():
    """Three classes with shares 0.5, 0.4, 0.1; without calibration the rarest would hardly be named."""
    rng = np.random.default_rng(0)
    posterior = rng.dirichlet([5, 4, 1], size=4000)
    labels = read(posterior, np.full(4000, 15.0), 2000)
    assert np.mean(labels == 1) == pytest.approx(0.4, abs=0.03)
    assert np.mean(labels == 2) == pytest.approx(0.1, abs=0.03)
