"""Whether probabilities mean what they say: a temperature from the validation sections, measured on the test sections.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv 1706.04599): logits divided by one temperature,
which changes no prediction; the expected calibration error over bins of the highest probability.
"""

from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from lung_ssp.classification.temperature import Temperature
from lung_ssp.cohort.classes import MISSING
from lung_ssp.figures import new_figure, save_figure

BINS = 10
LEAST_SECTIONS = 30  # labelled ones, on the validation side as well as on the test side
TEMPERATURES = (0.05, 20.0)
STATEMENT_WIDTH = 100  # characters over the diagram of one task


@dataclass(frozen=True)
class ReliabilityBin:
    """The sections whose highest probability lies in one bin: how many, its mean, and the share that is right."""

    sections: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """One task's calibration, before and after the logits are divided by the temperature.

    temperature: with the least cross-entropy on the validation sections. validation, test: labelled sections.
    error_before, error_after: expected calibration error on the test sections, 0 is best.
    entropy_before, entropy_after: mean cross-entropy there, nats.
    bins_before, bins_after: of the reliability diagram, those that have sections.
    """

    temperature: float
    validation: int
    test: int
    error_before: float
    error_after: float
    entropy_before: float
    entropy_after: float
    bins_before: tuple[ReliabilityBin, ...]
    bins_after: tuple[ReliabilityBin, ...]


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature by which logits (n, classes) are divided for the least cross-entropy with labels (n,)."""
    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(lambda t: cross_entropy(logits / np.exp(t), labels), bounds=(low, high), method="bounded")
    return float(np.exp(found.x))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean cross-entropy of logits (n, classes) with labels (n,), in nats."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> tuple[ReliabilityBin, ...]:
    """The bins of equal width that have sections, of probabilities (n, classes) and labels (n,)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return tuple(
        ReliabilityBin(int(own.sum()), float(confidence[own].mean()), float(right[own].mean()))
        for own in (place == k for k in range(BINS))
        if own.any()
    )


def calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """The expected calibration error: the mean distance of confidence and accuracy over the sections."""
    total = sum(one.sections for one in bins)
    return sum(one.sections * abs(one.confidence - one.accuracy) for one in bins) / total


def fitted(logits: np.ndarray, labels: np.ndarray) -> Temperature | None:
    """One task's temperature from its validation sections, None where fewer than LEAST_SECTIONS have a label.

    Args:
        logits, labels: (n, classes) and (n,), -1 for missing.
    """
    logits, labels = _labelled(logits, labels)
    return None if len(labels) < LEAST_SECTIONS else Temperature(fit_temperature(logits, labels), len(labels))


def calibrate(validation: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> Calibration | None:
    """Fit one task's temperature on the validation sections and measure it on the test sections.

    Args:
        validation, test: logits (n, classes) and labels (n,), -1 for missing.

    Returns:
        None where either side has fewer than LEAST_SECTIONS labels.
    """
    found, (logits, labels) = fitted(*validation), _labelled(*test)
    if found is None or len(labels) < LEAST_SECTIONS:
        return None
    temperature = found.value
    before, after = (reliability(softmax(logits / t, axis=1), labels) for t in (1.0, temperature))
    return Calibration(
        temperature,
        found.sections,
        len(labels),
        calibration_error(before),
        calibration_error(after),
        cross_entropy(logits, labels),
        cross_entropy(logits / temperature, labels),
        before,
        after,
    )


def _labelled(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = labels != MISSING
    return logits[known].astype(np.float64), labels[known]


def calibration_lines(calibrations: dict[str, Calibration]) -> list[str]:
    """The calibrations as lines of a report."""
    if not calibrations:
        return []
    lines = [
        "",
        f"calibration (temperature from validation, error over {BINS} bins of the test sections):",
    ]
    for task, own in calibrations.items():
        lines.append(
            f"  {task}: temperature {own.temperature:.3f} of {own.validation} sections; on {own.test} sections "
            f"error {own.error_before:.4f} before, {own.error_after:.4f} after; "
            f"cross-entropy {own.entropy_before:.4f}, {own.entropy_after:.4f}"
        )
    return lines


def save_reliability(calibrations: dict[str, Calibration], statement: str, path: Path) -> None:
    """The reliability diagram of each task, before and after; each point has its number of sections beside it."""
    if not calibrations:
        return
    figure = new_figure(5.5 * len(calibrations), 5)
    for axis, (task, own) in zip(
        np.atleast_1d(figure.subplots(1, len(calibrations))), calibrations.items(), strict=True
    ):
        axis.plot([0, 1], [0, 1], "k:", lw=1)
        for bins, colour, mark, height, label in (
            (own.bins_before, "C0", "o", 3, f"before: error {own.error_before:.3f}"),
            (own.bins_after, "C1", "s", -11, f"temperature {own.temperature:.2f}: error {own.error_after:.3f}"),
        ):
            axis.plot(
                [one.confidence for one in bins],
                [one.accuracy for one in bins],
                f"-{mark}",
                color=colour,
                ms=4,
                label=label,
            )
            for one in bins:
                axis.annotate(
                    str(one.sections),
                    (one.confidence, one.accuracy),
                    (2, height),
                    textcoords="offset points",
                    fontsize=8,
                    color=colour,
                )
        axis.set_xlabel("highest probability")
        axis.set_ylabel("share that is right")
        axis.set_xlim(0, 1)
        axis.set_ylim(-0.02, 1.05)
        axis.set_title(f"{task} diagnosis, {own.test} test sections", fontsize=9)
        axis.legend(fontsize=8, loc="upper left")
    figure.suptitle(fill(statement, STATEMENT_WIDTH * len(calibrations)), fontsize=7)
    save_figure(figure, path, statement)
