"""Malignant told from benign on patients' nodules: areas under the ROC curve, their intervals drawn by patient."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lung_ssp.cohort.description import BinaryDiagnosis, CohortDescription
from lung_ssp.cohort.nodules.store import NoduleRow, read_nodule_table
from lung_ssp.errors import CohortError

BOOTSTRAP_SAMPLES = 2000
BOOTSTRAP_SEED = 0
INTERVAL = (2.5, 97.5)  # percentiles


@dataclass(frozen=True)
class BinaryAuc:
    """How well a score tells malignant from benign in the test fold.

    question: what is told from what. score: by what. unit: nodule or patient. fold: the test fold.
    samples, patients, malignant: how many samples both sides have, of how many patients, and how many are malignant.
    auc: None where a side is empty. interval: 95 %, percentiles over BOOTSTRAP_SAMPLES drawings of as many patients
        with replacement; drawings without one of the sides are left out. None where there is no AUC.
    scores, is_malignant, patient_of: of each sample, so that several folds can be put together.
    """

    question: str
    score: str
    unit: str
    fold: int
    samples: int
    patients: int
    malignant: int
    auc: float | None
    interval: tuple[float, float] | None
    scores: tuple[float, ...] = ()
    is_malignant: tuple[bool, ...] = ()
    patient_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scored:
    """Samples with a score and a side: float (n,), bool (n,), and whose they are, (n,) text."""

    scores: np.ndarray
    malignant: np.ndarray
    patients: np.ndarray


def binary_aucs(
    root: Path, cohort: CohortDescription, probabilities: dict[str, np.ndarray], patients: np.ndarray
) -> dict[str, BinaryAuc]:
    """The figures of a cohort of nodules that has a test split, by name; of other cohorts none.

    Args:
        root: the cohort's folder.
        probabilities: of the test sections, by task name, (n, classes).
        patients: whose they are, (n,).

    Raises:
        CohortError: nodules.csv is damaged, or has other test nodules than there are sections.
    """
    about = cohort.nodules
    if about is None or (fold := about.test_fold) is None:
        return {}
    rows = [row for row in read_nodule_table(root) if row.split == "test"]
    if [row.patient for row in rows] != patients.tolist():
        raise CohortError(f"{root} has other test nodules than test sections: prepare the cohort again.")
    image, pathology = about.binary["image"], about.binary["pathology"]
    by_image = malignant_share(probabilities["image"], image)
    by_pathology = malignant_share(probabilities["pathology"], pathology)
    ratings = np.array([row.malignancy_mean for row in rows])
    words = {task: in_words(sides, cohort.class_names[task]) for task, sides in about.binary.items()}
    share = "its probability of malignant, renormalised against benign"
    highest = "the highest of the patient's nodules"
    scores = {
        "image_by_nodule": (words["image"], f"image branch, {share}", nodules_of(rows, by_image, image)),
        "pathology_by_patient": (
            words["pathology"],
            f"pathology branch, {share}, {highest}",
            patients_of(rows, by_pathology, pathology),
        ),
        "image_branch_by_patient": (
            words["pathology"],
            f"image branch, {share}, {highest}",
            patients_of(rows, by_image, pathology),
        ),
        "readers_by_patient": (
            words["pathology"],
            f"mean of the readers' malignancy ratings, {highest}",
            patients_of(rows, ratings, pathology),
        ),
    }
    return {
        name: binary_auc(question, score, "nodule" if name == "image_by_nodule" else "patient", fold, scored)
        for name, (question, score, scored) in scores.items()
    }


def in_words(sides: BinaryDiagnosis, names: tuple[str, ...]) -> str:
    """What is told from what, by the names of the classes."""
    malignant, benign = (" or ".join(names[k] for k in side) for side in (sides.positive, sides.negative))
    return f"{malignant} against {benign}"


def malignant_share(probabilities: np.ndarray, sides: BinaryDiagnosis) -> np.ndarray:
    """The probability of the malignant classes among those of both sides, (n,), of (n, classes)."""
    malignant, benign = (probabilities[:, list(side)].sum(axis=1) for side in (sides.positive, sides.negative))
    return malignant / np.maximum(malignant + benign, np.finfo(np.float64).tiny)


def nodules_of(rows: list[NoduleRow], scores: np.ndarray, sides: BinaryDiagnosis) -> Scored:
    """The nodules whose image diagnosis is on one of the sides."""
    chosen = [i for i, row in enumerate(rows) if row.image_label in (*sides.negative, *sides.positive)]
    return Scored(
        scores[chosen],
        np.array([rows[i].image_label in sides.positive for i in chosen], bool),
        np.array([rows[i].patient for i in chosen], str),
    )


def patients_of(rows: list[NoduleRow], scores: np.ndarray, sides: BinaryDiagnosis) -> Scored:
    """The patients whose own diagnosis is on one of the sides, each with the highest score of its nodules."""
    highest: dict[str, float] = {}
    malignant: dict[str, bool] = {}
    for row, score in zip(rows, scores.tolist(), strict=True):
        if row.patient_diagnosis in (*sides.negative, *sides.positive):
            highest[row.patient] = max(score, highest.get(row.patient, -np.inf))
            malignant[row.patient] = row.patient_diagnosis in sides.positive
    return Scored(
        np.array(list(highest.values()), float), np.array(list(malignant.values()), bool), np.array(list(highest), str)
    )


def binary_auc(question: str, score: str, unit: str, fold: int, scored: Scored) -> BinaryAuc:
    """The AUC of scored samples with its interval."""
    names = np.unique(scored.patients)
    facts = (question, score, unit, fold, len(scored.scores), len(names), int(scored.malignant.sum()))
    samples = tuple(scored.scores.tolist()), tuple(scored.malignant.tolist()), tuple(scored.patients.tolist())
    if scored.malignant.all() or not scored.malignant.any():
        return BinaryAuc(*facts, None, None, *samples)
    drawn = weighted_aucs(scored, draw_patients(scored, np.random.default_rng(BOOTSTRAP_SEED)))
    low, high = np.percentile(drawn[np.isfinite(drawn)], INTERVAL).tolist()
    (auc,) = weighted_aucs(scored, np.ones((1, len(scored.scores)))).tolist()
    return BinaryAuc(*facts, auc, (low, high), *samples)


def draw_patients(scored: Scored, rng: np.random.Generator) -> np.ndarray:
    """How often each sample counts in each drawing of as many patients with replacement, (BOOTSTRAP_SAMPLES, n)."""
    names, owners = np.unique(scored.patients, return_inverse=True)
    if not len(names):
        return np.zeros((BOOTSTRAP_SAMPLES, 0), int)
    return rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=BOOTSTRAP_SAMPLES)[:, owners]


def weighted_aucs(scored: Scored, weights: np.ndarray) -> np.ndarray:
    """The AUC of each row of weights: the share of pairs of both sides in which the malignant one has the higher score.

    Args:
        weights: (m, n), how often each sample counts.

    Returns:
        (m,); NaN where a side has no weight.
    """
    won, pairs = pairs_won(scored, weights)
    return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def pairs_won(scored: Scored, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many pairs of both sides the malignant one wins, a tie by half, and how many there are, (m,) each.

    Args:
        weights: (m, n), how often each sample counts.
    """
    malignant, benign = scored.scores[scored.malignant], scored.scores[~scored.malignant]
    wins = (malignant[:, None] > benign) + 0.5 * (malignant[:, None] == benign)
    of_malignant, of_benign = weights[:, scored.malignant].astype(float), weights[:, ~scored.malignant].astype(float)
    return ((of_malignant @ wins) * of_benign).sum(axis=1), of_malignant.sum(axis=1) * of_benign.sum(axis=1)
