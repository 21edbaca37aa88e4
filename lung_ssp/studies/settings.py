"""Settings of a study: what is varied, over which seeds and folds, what is measured and what is compared."""

from collections.abc import Iterable
from itertools import product
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lung_ssp.config_errors import nearest
from lung_ssp.settings import Interval, Seed, Settings

FOLD = "{fold}"  # in an override of the folds: the fold's number
# What the table of runs calls its own columns (studies/tables.py); no factor and no metric can be called so.
COLUMNS = (
    *("variant", "seed", "fold", "folder", "cohort", "synthetic", "test_patients", "configuration", "commit"),
    *("program", "python", "paddle", "numpy", "started", "training_seconds", "evaluation_seconds", "parameters"),
)

# And that of statistics and curves; no factor can be called so.
OTHER_COLUMNS = (
    *("metric", "test_patients", "folds", "seeds", "mean", "deviation", "low", "high", "low_by_patient"),
    *("high_by_patient", "reference", "pairs", "difference", "difference_low", "difference_high"),
    *("difference_low_by_patient", "difference_high_by_patient", "cohens_d", "p", "p_holm", "least_p", "exact"),
    *("curve", "tag", "step"),
)

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,59}$")]  # of files and columns; "-" stands between names
Title = Annotated[str, Field(min_length=1, max_length=200)]
Fold = Annotated[int, Field(ge=0, le=999)]
Overrides = Annotated[list[str], Field(max_length=100)]


class VariantSettings(Settings):
    """One variant, or one level of a factor: what it changes of the configuration."""

    title: Title | None = Field(None, description="what tables and figures call it; null: its name")
    base: str | None = Field(None, description="configuration file in the place of the study's; null: the study's")
    overrides: Overrides = Field([], description="of the configuration's settings, key.sub=value each")


class FoldSettings(Settings):
    """Trainings that differ in who is tested: each fold's patients once."""

    numbers: list[Fold] = Field(min_length=2, max_length=100, description="of the folds")
    overrides: Overrides = Field(
        min_length=1, description=f"of the configuration's settings; {FOLD} stands for the fold's number"
    )

    @model_validator(mode="after")
    def _each_fold_differs(self) -> "FoldSettings":
        refuse_twice("the fold", self.numbers)
        if not any(FOLD in override for override in self.overrides):
            raise ValueError(f"no override of the folds names {FOLD}, so all folds would be the same training")
        return self


class EvaluationMetric(Settings):
    """A figure of metrics.json, which `lung-ssp eval` writes into a run's folder."""

    source: Literal["evaluation"] = Field(description="where the metric comes from")
    title: Title = Field(description="what tables and figures call it")
    key: Annotated[str, Field(min_length=1, max_length=300)] = Field(
        description="its key in metrics.json, with a point between levels: comparisons.image_against_reader.accuracy"
    )


class LogMetric(Settings):
    """A figure of a run's log, table2.csv or log.csv."""

    source: Literal["log"] = Field(description="where the metric comes from")
    title: Title = Field(description="what tables and figures call it")
    column: Annotated[str, Field(min_length=1, max_length=100)] = Field(description="of the log")
    step: Annotated[int, Field(ge=1)] | None = Field(None, description="which row; null: the last one")
    between: Interval | None = Field(
        None,
        description="1 where the value lies between these, else 0: its mean is the share of seeds; null: the value",
    )


class DashboardMetric(Settings):
    """A scalar of a run's dashboard, such as the mean of a unit's alphas."""

    source: Literal["dashboard"] = Field(description="where the metric comes from")
    title: Title = Field(description="what tables and figures call it")
    tag: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="of the scalar")
    step: Annotated[int, Field(ge=1)] | None = Field(None, description="at which step; null: the last one")


class PredictionMetric(Settings):
    """A figure made here from a classifier's predictions of the test sections.

    accuracy: share of labelled sections whose most probable class is the label; its interval by patients is drawn too.
    calibration_error: expected calibration error (classification/calibration.py), without a temperature.
    """

    source: Literal["predictions"] = Field(description="where the metric comes from")
    title: Title = Field(description="what tables and figures call it")
    measure: Literal["accuracy", "calibration_error"] = Field(description="what is measured")
    branch: Literal["image", "pathology"] = Field("image", description="the branch that predicts")
    labels: Literal["image", "pathology"] = Field("image", description="whose labels are the truth")


class RunMetric(Settings):
    """A fact of the training itself."""

    source: Literal["run"] = Field(description="where the metric comes from")
    title: Title = Field(description="what tables and figures call it")
    fact: Literal["training_seconds", "evaluation_seconds", "parameters"] = Field(
        description="seconds of the training (of one that was never interrupted), of its evaluation, or the number of "
        "parameters that learn"
    )


AnyMetric = EvaluationMetric | LogMetric | DashboardMetric | PredictionMetric | RunMetric
MetricSettings = Annotated[AnyMetric, Field(discriminator="source")]


class LineSettings(Settings):
    """A level that a figure shows as a horizontal line, such as the Bayes accuracy."""

    key: Annotated[str, Field(min_length=1, max_length=300)] = Field(
        description="its key in metrics.json: for_comparison.bayes_accuracy_of_the_pathology.test"
    )
    title: Title = Field(description="what the figure calls it")


class FigureSettings(Settings):
    """A figure: variants side by side, seeds as points, means with intervals."""

    metric: Name = Field(description="which of the study's metrics")
    lines: list[LineSettings] = Field([], max_length=5, description="levels that are shown as horizontal lines")


class CurveSettings(Settings):
    """Curves along the training: a panel for each scalar, a colour a variant, means over seeds with intervals."""

    title: Title = Field(description="what the figure calls them")
    tags: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        min_length=1, max_length=20, description="scalars of the dashboard: accuracy_test_value, alphas/fc3/..."
    )
    beside_paper: bool = Field(False, description="show the paper's Table 2 too, where a scalar is one of its columns")


class StudySettings(Settings):
    """A configuration file of a study."""

    task: Literal["study"] = Field(description="which task this file is for")
    name: Name = Field(description="of the study: its output folder belongs to it alone")
    title: Title = Field(description="the question that the study answers")
    base: str = Field(
        description="configuration file of a training: from the working folder, else among the shipped ones"
    )
    overrides: Overrides = Field([], description="of the configuration's settings, in all trainings")
    variants: dict[Name, VariantSettings] = Field(min_length=1, max_length=100, description="what is compared, by name")
    reference: Name | None = Field(None, description="the variant that the others are compared with; null: none is")
    seeds: list[Seed] = Field(min_length=1, max_length=1000, description="one training each, of every variant")
    folds: FoldSettings | None = Field(None, description="folds by patient; null: one division of the cohort")
    factors: dict[Name, dict[Name, VariantSettings]] = Field(
        {}, max_length=10, description="a grid: every variant in every combination of one level of each factor"
    )
    metrics: dict[Name, MetricSettings] = Field(
        min_length=1, max_length=100, description="what is taken from each run, by name"
    )
    figures: dict[Name, FigureSettings] = Field({}, max_length=100, description="figures, by the names of their files")
    curves: dict[Name, CurveSettings] = Field(
        {}, max_length=100, description="figures of what changes along the training, by the names of their files"
    )

    def combinations(self) -> list[dict[str, str]]:
        """Every combination of one level of each factor; without factors the empty one alone."""
        return [dict(zip(self.factors, levels, strict=True)) for levels in product(*self.factors.values())]

    @model_validator(mode="after")
    def _names_are_known_and_unique(self) -> "StudySettings":
        refuse_twice("the seed", self.seeds)
        refuse_unknown("reference", self.reference, "variant", self.variants)
        for name, figure in self.figures.items():
            refuse_unknown(f"figures.{name}.metric", figure.metric, "metric", self.metrics)
        for factor, levels in self.factors.items():
            if not levels:
                raise ValueError(f"the factor {factor} has no levels")
            if factor in (*COLUMNS, *OTHER_COLUMNS):
                raise ValueError(f"the factor {factor} has the name of a column of the tables: call it otherwise")
        refuse_twice("the figure", [*self.figures, *self.curves])
        refuse_twice("the name", [*self.factors, *self.metrics])
        for name, metric in self.metrics.items():
            if name in COLUMNS and not (metric.source == "run" and metric.fact == name):
                raise ValueError(f"the metric {name} has the name of a column of the table: call it otherwise")
        return self


def refuse_twice(what: str, names: Iterable[object]) -> None:
    """Refuse names of which one occurs twice, with a ValueError."""
    seen = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} {name} is given twice")
        seen.add(name)


def refuse_unknown(key: str, name: str | None, kind: str, known: Iterable[str]) -> None:
    """Refuse a name that is none of the known ones, with a ValueError that tells the nearest; None is no name."""
    names = list(known)
    if name is not None and name not in names:
        raise ValueError(f"{key} is {name}, which is no {kind}{nearest(name, names)}; there are {', '.join(names)}")
