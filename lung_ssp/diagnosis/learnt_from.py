"""Where the weights of a diagnosis come from: in full, and in a few words beside each number that they give."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lung_ssp.classification.trained import TrainedClassifier
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.training.run import BestCheckpoint, run_cohort
from lung_ssp.weights.shipped import is_shipped

SYNTHETIC = "SYNTHETIC"
NODULE = "nodule_probability"  # the number of the second stage of the detection
LABELS = {"image": "readers' opinions", "pathology": "a pathology diagnosis"}


@dataclass(frozen=True)
class Weights:
    """Where the weights of a network come from, and how its predictions are made of its logits.

    step: of the training.
    weights_fingerprint: of the weights themselves.
    shipped: whether they came with the package.
    cohort, cohort_synthetic, cohort_statement, cohort_fingerprint: what they were trained on.
    labelled: by task, the training sections with a label; empty for a network of one task.
    orientations: of a section, over which the logits are means; 1: as it is.
    temperatures: by task, what its logits are divided by; a task that is not here has none.
    """

    step: int
    weights_fingerprint: str
    shipped: bool
    cohort: str
    cohort_synthetic: bool
    cohort_statement: str
    cohort_fingerprint: str
    labelled: dict[str, int] = field(default_factory=dict)
    orientations: int = 1
    temperatures: dict[str, float] = field(default_factory=dict)


def weights_of(run: Path, checkpoint: BestCheckpoint, classifier: TrainedClassifier | None = None) -> Weights:
    """Where the weights of a run come from; of a classification run with the classifier that was read from it."""
    cohort = run_cohort(run)
    weights = Weights(
        step=checkpoint.step,
        weights_fingerprint=checkpoint.fingerprint,
        shipped=is_shipped(run),
        cohort=cohort.name,
        cohort_synthetic=cohort.synthetic,
        cohort_statement=cohort.statement,
        cohort_fingerprint=cohort.fingerprint,
    )
    if classifier is None:
        return weights
    return replace(
        weights,
        labelled={task: sum(counts) for task, counts in cohort.counts.classes.get("train", {}).items()},
        orientations=classifier.orientations,
        temperatures={task: own.value for task, own in classifier.temperatures.items()},
    )


def training_statement(weights: Mapping[str, Weights]) -> str:
    """One sentence on the origin of all networks' weights."""
    parts = [
        f"{task} {facts.weights_fingerprint}{' (of the package)' if facts.shipped else ''} on: {facts.cohort_statement}"
        for task, facts in weights.items()
    ]
    return f"Weights trained: {'; '.join(parts)}."


def learnt_from(weights: Mapping[str, Weights]) -> dict[str, str]:
    """What the weights behind each of a finding's numbers have learnt from, in a few words, by the number's name."""
    return {
        **({NODULE: _words(weights["candidates"])} if "candidates" in weights else {}),
        "score": _words(weights["segmentation"]),
        **{task: _words(weights["classification"], task) for task in TASK_NAMES},
    }


def _words(facts: Weights, task: str = "") -> str:
    if facts.cohort_synthetic:
        whose = f"a {SYNTHETIC} cohort"
    elif f"{SYNTHETIC} cohort" in facts.cohort_statement:
        whose = f"REAL patients and a {SYNTHETIC} cohort"
    else:
        whose = "REAL patients"
    leaky = "a LEAKY split of " if facts.cohort_statement.startswith("LEAKY") else ""
    labelled = f", {facts.labelled[task]:,} sections with {LABELS[task]}" if task in facts.labelled else ""
    return f"{leaky}{whose} ({facts.cohort}{labelled})"


def mark_of(words: str) -> str:
    """What stands right behind a number whose weights have learnt from no patients, or not from them alone."""
    return f" [{SYNTHETIC}]" if SYNTHETIC in words else ""


def heading(weights: Mapping[str, Weights]) -> list[str]:
    """Lines that say of each of a finding's numbers what its weights have learnt from, and how it was calibrated."""
    temperatures = weights["classification"].temperatures
    lines = []
    for number, words in learnt_from(weights).items():
        name = f"{number} diagnosis" if number in TASK_NAMES else number.replace("_", " ")
        calibrated = f", calibrated by the temperature {temperatures[number]:.2f}" if number in temperatures else ""
        lines.append(f"{name} learnt from {words}{calibrated}")
    return lines
