"""Malignant told from benign over several folds, each tested by a network of its own: areas under the ROC curve."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from lung_ssp.classification.binary import (
    BOOTSTRAP_SAMPLES,
    BOOTSTRAP_SEED,
    INTERVAL,
    BinaryAuc,
    Scored,
    draw_patients,
    pairs_won,
)
from lung_ssp.classification.metrics import ClassificationMetrics
from lung_ssp.errors import CohortError
from lung_ssp.files import write_json, write_text
from lung_ssp.training.evaluation import METRICS_FILE, REPORT_FILE

READERS = "readers_by_patient"
BESIDE_READERS = ("pathology_by_patient", "image_branch_by_patient")


@dataclass(frozen=True)
class PooledAuc:
    """How well a score tells malignant from benign over the test folds, each of them scored by another network.

    The scores of two networks are not on one scale. So only patients of one fold are compared with each other: the AUC
    is the share of the pairs of a malignant and a benign sample of one fold, of all folds together, in which the
    malignant one has the higher score. (Ranks within a fold would not do: in a fold with more malignant patients a
    benign one has a lower rank.)

    question, score, unit, samples, patients, malignant: as in BinaryAuc, of all folds together. pairs: how many.
    folds: by their number the AUC of each, None where a side is empty.
    auc: None where no fold has both sides. interval: 95 %, by bootstrap of the patients of each fold.
    against_readers, against_readers_interval: the AUC less that of the readers' ratings of the same patients, in the
        same drawings; None for what is not compared with them.
    """

    question: str
    score: str
    unit: str
    samples: int
    patients: int
    malignant: int
    pairs: int
    folds: dict[int, float | None]
    auc: float | None
    interval: tuple[float, float] | None
    against_readers: float | None = None
    against_readers_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class PooledMetrics:
    """The figures of several classification runs, one a fold. statements: of their cohorts. aucs: by name."""

    statements: tuple[str, ...]
    synthetic: bool
    aucs: dict[str, PooledAuc]


def pool_folds(measured: Sequence[ClassificationMetrics]) -> PooledMetrics:
    """The figures of runs that tested different folds of one cohort of nodules.

    Raises:
        CohortError: two tested one patient or one fold, or they asked different questions.
    """
    questions = [{name: (own.question, own.score) for name, own in metrics.binary.items()} for metrics in measured]
    if any(own != questions[0] for own in questions) or len({metrics.synthetic for metrics in measured}) > 1:
        raise CohortError(
            "The runs told other classes apart, or one is of a synthetic cohort: join runs of one configuration."
        )
    drawn: dict[str, np.ndarray] = {}
    aucs = {}
    for name in questions[0]:
        figures = sorted((metrics.binary[name] for metrics in measured), key=lambda figure: figure.fold)
        _check_apart(figures)
        aucs[name], drawn[name] = _pooled(figures)
    for name in BESIDE_READERS:
        if name in aucs and READERS in aucs:
            aucs[name] = _against(aucs[name], aucs[READERS], drawn[name] - drawn[READERS])
    return PooledMetrics(tuple(metrics.statement for metrics in measured), measured[0].synthetic, aucs)


def _check_apart(figures: Sequence[BinaryAuc]) -> None:
    seen: set[str] = set()
    for figure in figures:
        if twice := sorted(seen & set(figure.patient_of)):
            raise CohortError(
                f"The patient {twice[0]} was tested by two of the runs: join runs that tested different folds of one "
                "cohort."
            )
        seen |= set(figure.patient_of)
    if len({figure.fold for figure in figures}) < len(figures):
        raise CohortError("Two of the runs tested the same fold: join runs that tested different folds of one cohort.")


def _pooled(figures: Sequence[BinaryAuc]) -> tuple[PooledAuc, np.ndarray]:
    """The figure of all folds, and the AUC in each drawing, (BOOTSTRAP_SAMPLES,), NaN where it has no pair."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    won, pairs = np.zeros(1 + BOOTSTRAP_SAMPLES), np.zeros(1 + BOOTSTRAP_SAMPLES)
    for figure in figures:
        scored = Scored(np.array(figure.scores), np.array(figure.is_malignant, bool), np.array(figure.patient_of, str))
        once = np.ones((1, len(figure.scores)), int)
        own_won, own_pairs = pairs_won(scored, np.concatenate([once, draw_patients(scored, rng)]))
        won, pairs = won + own_won, pairs + own_pairs
    aucs = np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0)
    first = figures[0]
    pooled = PooledAuc(
        question=first.question,
        score=first.score,
        unit=first.unit,
        samples=sum(figure.samples for figure in figures),
        patients=sum(figure.patients for figure in figures),
        malignant=sum(figure.malignant for figure in figures),
        pairs=int(pairs[0]),
        folds={figure.fold: figure.auc for figure in figures},
        auc=float(aucs[0]) if pairs[0] else None,
        interval=_interval(aucs[1:]),
    )
    return pooled, aucs[1:]


def _against(own: PooledAuc, readers: PooledAuc, differences: np.ndarray) -> PooledAuc:
    if own.auc is None or readers.auc is None:
        return own
    facts = {**vars(own), "against_readers": own.auc - readers.auc, "against_readers_interval": _interval(differences)}
    return PooledAuc(**facts)


def _interval(drawn: np.ndarray) -> tuple[float, float] | None:
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return None
    low, high = np.percentile(drawn, INTERVAL).tolist()
    return low, high


def pooled_text(metrics: PooledMetrics) -> str:
    """The report to read."""
    folds = ", ".join(map(str, next(iter(metrics.aucs.values())).folds))
    lines = [
        *metrics.statements,
        "",
        f"malignant against benign, test folds {folds}, each tested by the run that had not learned from it",
        "  AUC: pairs of one fold only, of all folds together, since two networks' scores are not on one scale;",
        f"  95 % intervals: {BOOTSTRAP_SAMPLES:,} drawings of the patients of each fold",
    ]
    for figure in metrics.aucs.values():
        auc = "-" if figure.auc is None else f"{figure.auc:.3f}{_in_brackets(figure.interval)}"
        of = f" of {figure.patients} patients" if figure.unit == "nodule" else ""
        lines += [
            f"  {figure.question}, {figure.samples} {figure.unit}s{of}, {figure.malignant} malignant, {figure.pairs} "
            f"pairs: AUC {auc}",
            f"    by {figure.score}",
        ]
        if figure.against_readers is not None:
            against = f"{figure.against_readers:+.3f}{_in_brackets(figure.against_readers_interval, '+')}"
            lines.append(f"    less the AUC of the readers' ratings of the same patients: {against}")
    return "\n".join(lines) + "\n"


def _in_brackets(interval: tuple[float, float] | None, sign: str = "") -> str:
    return "" if interval is None else f" ({interval[0]:{sign}.3f} to {interval[1]:{sign}.3f})"


def write_pooled(folder: Path, metrics: PooledMetrics) -> None:
    """Write metrics.json and metrics.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / METRICS_FILE, TypeAdapter(PooledMetrics).dump_python(metrics, mode="json"))
    write_text(folder / REPORT_FILE, pooled_text(metrics))
