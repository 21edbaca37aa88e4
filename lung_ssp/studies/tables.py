"""The tables of a study: runs.csv and runs.parquet with a row a run, statistics.csv and statistics.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from lung_ssp.files import write_atomically, write_json, write_text
from lung_ssp.studies.comparison import Statistic, Values
from lung_ssp.studies.measures import FinishedRun
from lung_ssp.studies.plan import Cell, Study
from lung_ssp.studies.record import RUNS
from lung_ssp.studies.settings import COLUMNS

RUNS_CSV, RUNS_PARQUET = "runs.csv", "runs.parquet"
STATISTICS_CSV, STATISTICS_JSON = "statistics.csv", "statistics.json"


def table_of_runs(study: Study, values: Values, finished: Mapping[str, FinishedRun]) -> pd.DataFrame:
    """A row for each finished run, in the order of the plan; a metric that a run lacks is empty."""
    rows = []
    for run in study.runs:
        if run.name not in finished:
            continue
        record = finished[run.name].record
        own = {
            "variant": run.cell.variant,
            **run.cell.levels,
            "seed": run.seed,
            "fold": run.fold,
            "folder": f"{RUNS}/{run.name}",
            "cohort": f"{run.cohort.name} {run.cohort.fingerprint}",
            "synthetic": run.cohort.synthetic,
            "test_patients": record.test_patients,
            "configuration": run.made_from.configuration,
            "commit": record.commit,
            "program": run.made_from.program,
            **record.versions,
            "started": record.started.isoformat(timespec="seconds"),
            "training_seconds": record.training_seconds,
            "evaluation_seconds": record.evaluation_seconds,
            "parameters": record.parameters,
        }
        measured = {name: value for name, value in values.get(run.name, {}).items() if name not in own}
        rows.append({**own, **measured})
    metrics = [name for name in study.settings.metrics if name not in COLUMNS]
    columns = [COLUMNS[0], *study.settings.factors, *COLUMNS[1:], *metrics]
    return pd.DataFrame(rows, columns=columns).astype({"fold": "Int64"})


def write_runs(out: Path, table: pd.DataFrame) -> None:
    """Write runs.csv and runs.parquet, each atomically."""
    write_text(out / RUNS_CSV, table.to_csv(index=False))
    write_atomically(out / RUNS_PARQUET, lambda file: table.to_parquet(file, index=False))


def tested_patients(study: Study, cell: Cell, finished: Mapping[str, FinishedRun]) -> int:
    """How many patients the runs of a cell were tested on, all folds together; 0 where none has finished."""
    of_fold = {
        run.fold: finished[run.name].record.test_patients
        for run in study.runs
        if run.cell is cell and run.name in finished
    }
    return sum(of_fold.values())


def table_of_statistics(
    study: Study, statistics: Sequence[Statistic], finished: Mapping[str, FinishedRun]
) -> pd.DataFrame:
    """A row for each metric, variant and combination of the factors."""
    rows = []
    for one in statistics:
        cell = cell_of(study, one)
        rows.append(
            {
                "metric": one.metric,
                "variant": one.variant,
                **one.levels,
                "cohort": study.cohorts_of(cell),
                "synthetic": all(run.cohort.synthetic for run in study.runs if run.cell is cell),
                "test_patients": tested_patients(study, cell, finished),
                "folds": one.folds,
                **_mean_columns(one),
                **_comparison_columns(study, one),
            }
        )
    return pd.DataFrame(rows)


def cell_of(study: Study, one: Statistic) -> Cell:
    """The cell that a statistic is of."""
    return next(cell for cell in study.cells if (cell.variant, cell.levels) == (one.variant, one.levels))


def write_statistics(out: Path, study: Study, statistics: Sequence[Statistic], table: pd.DataFrame) -> None:
    """Write statistics.csv and statistics.json, each atomically."""
    write_text(out / STATISTICS_CSV, table.to_csv(index=False))
    content = {
        "study": study.settings.name,
        "title": study.settings.title,
        "statement": study.statement,
        "seeds": study.settings.seeds,
        "reference": study.settings.reference,
        "metrics": {name: metric.title for name, metric in study.settings.metrics.items()},
        "statistics": [asdict(one) for one in statistics],
    }
    write_json(out / STATISTICS_JSON, content)


def _mean_columns(one: Statistic) -> dict[str, Any]:
    mean, (low, high) = one.mean, one.by_patient or (None, None)
    return {
        "seeds": mean.n if mean else 0,
        "mean": mean.mean if mean else None,
        "deviation": mean.deviation if mean else None,
        "low": mean.low if mean else None,
        "high": mean.high if mean else None,
        "low_by_patient": low,
        "high_by_patient": high,
    }


def _comparison_columns(study: Study, one: Statistic) -> dict[str, Any]:
    test, (low, high) = one.against, one.difference_by_patient or (None, None)
    return {
        "reference": study.settings.reference if test else None,
        "pairs": test.difference.n if test else None,
        "difference": test.difference.mean if test else None,
        "difference_low": test.difference.low if test else None,
        "difference_high": test.difference.high if test else None,
        "difference_low_by_patient": low,
        "difference_high_by_patient": high,
        "cohens_d": test.effect if test else None,
        "p": test.p if test else None,
        "p_holm": one.p_holm,
        "least_p": test.least_p if test else None,
        "exact": test.exact if test else None,
    }
