"""The statistics of a study: of each metric, every variant by itself and against the reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lung_ssp.studies.measures import FinishedRun, labelled
from lung_ssp.studies.plan import Cell, PlannedRun, Study
from lung_ssp.studies.settings import PredictionMetric
from lung_ssp.studies.statistics import (
    Mean,
    PairedTest,
    PatientCounts,
    bootstrap_by_patient,
    holm,
    mean_over_seeds,
    paired_test,
)

Interval = tuple[float, float]
Values = Mapping[str, Mapping[str, float]]  # by the name of the run, then of the metric


@dataclass(frozen=True)
class Statistic:
    """One metric of one variant in one combination of the factors.

    folds: over which each seed's value is a mean; 1 where the study has none.
    mean: over seeds; None where no seed is complete.
    by_patient: the interval of an accuracy if other patients had been tested; of other metrics None.
    against: the comparison with the reference, of the reference itself None. p_holm: corrected over all comparisons of
        the metric. difference_by_patient: as `by_patient`, of the difference.
    patients: how many were tested, all folds together; None where predictions do not tell.
    """

    metric: str
    variant: str
    levels: dict[str, str]
    folds: int
    mean: Mean | None
    by_patient: Interval | None = None
    patients: int | None = None
    against: PairedTest | None = None
    p_holm: float | None = None
    difference_by_patient: Interval | None = None


def statistics_of(study: Study, values: Values, finished: Mapping[str, FinishedRun]) -> list[Statistic]:
    """The statistics of every metric, variant and combination of the factors, in the order of the study's file.

    Args:
        values: what each finished run has of each metric; a run that lacks one leaves its seed out.
        finished: the same runs, with their predictions.
    """
    statistics = []
    for metric in study.settings.metrics:
        rows = [_statistic(study, metric, cell, values, finished) for cell in study.cells]
        corrected = holm([row.against.p if row.against else None for row in rows])
        statistics += [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]
    return statistics


def seed_values(study: Study, metric: str, cell: Cell, values: Values) -> dict[int, float]:
    """The value of each seed of a cell, a mean over its folds; a seed of which a fold is missing is left out."""
    by_seed: dict[int, list[float | None]] = {}
    for run in runs_of(study, cell):
        by_seed.setdefault(run.seed, []).append(values.get(run.name, {}).get(metric))
    complete = {seed: [one for one in own if one is not None] for seed, own in by_seed.items() if None not in own}
    return {seed: float(np.mean(own)) for seed, own in complete.items()}


def runs_of(study: Study, cell: Cell) -> list[PlannedRun]:
    """The runs of a cell, by fold and then by seed."""
    return [run for run in study.runs if run.cell is cell]


def reference_of(study: Study, cell: Cell) -> Cell | None:
    """The cell that a cell is compared with: the reference in the same combination; of the reference none."""
    if study.settings.reference in (None, cell.variant):
        return None
    return next(
        other for other in study.cells if other.variant == study.settings.reference and other.levels == cell.levels
    )


def _statistic(study: Study, metric: str, cell: Cell, values: Values, finished: Mapping[str, FinishedRun]) -> Statistic:
    own = seed_values(study, metric, cell, values)
    statistic = Statistic(
        metric=metric,
        variant=cell.variant,
        levels=cell.levels,
        folds=len(study.settings.folds.numbers) if study.settings.folds else 1,
        mean=mean_over_seeds(list(own.values())) if own else None,
    )
    accuracy = accuracy_of(study, metric)
    if own and accuracy is not None:
        counts = patient_counts(study, accuracy, cell, list(own), finished)
        statistic = replace(statistic, by_patient=bootstrap_by_patient(counts), patients=len(counts.sections))
    if (other := reference_of(study, cell)) is None:
        return statistic
    others = seed_values(study, metric, other, values)
    both = [seed for seed in own if seed in others]
    if not both:
        return statistic
    statistic = replace(statistic, against=paired_test([own[seed] for seed in both], [others[seed] for seed in both]))
    if accuracy is not None:
        counts, reference = (patient_counts(study, accuracy, one, both, finished) for one in (cell, other))
        statistic = replace(statistic, difference_by_patient=bootstrap_by_patient(counts, reference))
    return statistic


def accuracy_of(study: Study, metric: str) -> PredictionMetric | None:
    """A metric that is an accuracy made from predictions, which can be told by patient; None of any other."""
    settings = study.settings.metrics[metric]
    return settings if isinstance(settings, PredictionMetric) and settings.measure == "accuracy" else None


def patient_counts(
    study: Study, metric: PredictionMetric, cell: Cell, seeds: Sequence[int], finished: Mapping[str, FinishedRun]
) -> PatientCounts:
    """Each patient's labelled sections and how many of them the cell's runs of some seeds have right, all added up."""
    sections: dict[str, int] = {}
    right: dict[str, int] = {}
    for run in runs_of(study, cell):
        if run.seed not in seeds:
            continue
        predictions = finished[run.name].predictions
        assert predictions is not None
        probabilities, labels, patients = labelled(metric, predictions)
        hits = probabilities.argmax(axis=1) == labels
        names, place = np.unique(patients, return_inverse=True)
        for name, count, correct in zip(
            names.tolist(), np.bincount(place).tolist(), np.bincount(place, weights=hits).tolist(), strict=True
        ):
            sections[name] = sections.get(name, 0) + count
            right[name] = right.get(name, 0) + int(correct)
    return PatientCounts(sections, right)
