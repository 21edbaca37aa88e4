"""Temperature, calibration error and reliability, by hand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from lung_ssp.classification.calibration import (
    LEAST_SECTIONS,
    ReliabilityBin,
    calibrate,
    calibration_error,
    calibration_lines,
    cross_entropy,
    fit_temperature,
    reliability,
    save_reliability,
)


def drawn(temperature: float, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too sure by a known factor, and labels drawn from what they should say."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, 3))
    labels = (softmax(logits, axis=1).cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return temperature * logits, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_the_factor_by_which_logits_are_too_sure(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature, 20_000, 0)) == pytest.approx(temperature, rel=0.05)


def test_the_cross_entropy_by_hand() -> None:
    assert cross_entropy(np.log([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 0])) == pytest.approx(np.log(8) / 2)


def test_bins_and_error_by_hand() -> None:
    probabilities = np.array([[0.95, 0.05], [0.05, 0.95], [0.62, 0.38], [0.64, 0.36], [1.0, 0.0]])
    bins = reliability(probabilities, np.array([0, 0, 0, 0, 0]))
    assert [one.sections for one in bins] == [2, 3]
    assert bins[0] == ReliabilityBin(2, pytest.approx(0.63), 1.0)
    assert bins[1] == ReliabilityBin(3, pytest.approx(2.9 / 3), pytest.approx(2 / 3))
    assert calibration_error(bins) == pytest.approx((2 * 0.37 + 0.9) / 5)


@given(st.integers(0, 1000), st.floats(0.2, 5))
def test_a_temperature_changes_no_prediction(seed: int, temperature: float) -> None:
    logits, _ = drawn(1.0, 20, seed)
    assert (logits.argmax(axis=1) == (logits / temperature).argmax(axis=1)).all()


def test_calibration_lowers_the_error_of_a_network_that_is_too_sure(tmp_path: Path) -> None:
    found = calibrate(drawn(3.0, 4000, 0), drawn(3.0, 4000, 1))
    assert found is not None and found.temperature == pytest.approx(3, rel=0.1)
    assert found.error_after < 0.03 < found.error_before and found.entropy_after < found.entropy_before
    assert (found.validation, found.test) == (4000, 4000)
    _, line = calibration_lines({"image": found})[1:]
    assert f"image: temperature {found.temperature:.3f} of 4000 sections; on 4000 sections error" in line
    save_reliability({"image": found}, "SYNTHETIC", tmp_path / "reliability.png")
    assert (tmp_path / "reliability.png").stat().st_size > 1000


def test_too_few_labels_give_none() -> None:
    logits, labels = drawn(1.0, LEAST_SECTIONS, 0)
    fewer = np.where(np.arange(len(labels)) == 0, -1, labels)
    assert calibrate((logits, labels), (logits, labels)) is not None
    assert calibrate((logits, fewer), (logits, labels)) is None
    assert calibrate((logits, labels), (logits, fewer)) is None
    assert calibration_lines({}) == []
