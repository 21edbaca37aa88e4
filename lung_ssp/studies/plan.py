"""What a study trains: every variant, in every combination of the factors, with every seed and fold."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lung_ssp import __version__
from lung_ssp.cohort.description import CohortDescription, read_cohorts
from lung_ssp.config import Config, find_config, load_config, resolve
from lung_ssp.errors import ConfigError
from lung_ssp.studies.settings import FOLD, PredictionMetric, StudySettings, VariantSettings
from lung_ssp.task_settings import TASK_SETTINGS
from lung_ssp.training.settings import TrainingSettings

HASH = 16  # hexadecimal digits of a configuration's SHA-256


@dataclass(frozen=True)
class Cell:
    """A variant in one combination of the factors: trainings that differ in seed and fold alone.

    levels: the level of each factor. title: of the variant.
    config: the configuration file. overrides: of its settings.
    """

    variant: str
    levels: dict[str, str]
    title: str
    config: Path
    overrides: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of its folder."""
        return "-".join([self.variant, *self.levels.values()])


@dataclass(frozen=True)
class MadeFrom:
    """All that a run's figures depend on: the hash of its configuration, its cohort's fingerprint, the program."""

    configuration: str
    cohort: str
    program: str


@dataclass(frozen=True)
class PlannedRun:
    """One training of a study.

    fold: None where the study has no folds.
    overrides: all of them, the seed's and the fold's included.
    cohort: what it learns from.
    """

    cell: Cell
    seed: int
    fold: int | None
    overrides: tuple[str, ...]
    made_from: MadeFrom
    cohort: CohortDescription

    @property
    def name(self) -> str:
        """Of its folder, below the folder of all runs."""
        return f"{self.cell.name}/{self.seed}" + ("" if self.fold is None else f"-{self.fold}")


@dataclass(frozen=True)
class Study:
    """A checked study. task: of its trainings."""

    settings: StudySettings
    task: str
    cells: tuple[Cell, ...]
    runs: tuple[PlannedRun, ...]

    @property
    def statement(self) -> str:
        """What its numbers come from: the statement of its cohort, or of each of them."""
        return " | ".join(dict.fromkeys(run.cohort.statement for run in self.runs))

    def cohorts_of(self, cell: Cell) -> str:
        """Names and fingerprints of the cohorts of a cell, as tables show them."""
        own = [run.cohort for run in self.runs if run.cell is cell]
        return " | ".join(dict.fromkeys(f"{cohort.name} {cohort.fingerprint}" for cohort in own))


def plan_study(path: str | Path, overrides: Sequence[str] = ()) -> Study:
    """Read a study and check every configuration and cohort that it names, before anything is trained.

    Args:
        path: a YAML file, or the path of a shipped one, such as "studies/sharing.yml".
        overrides: of the study's own settings, "key.sub=value" each.

    Raises:
        ConfigError: the study or a training's configuration is invalid, two variants are the same training, or two
            overrides of different origin set the same key.
        CohortError: a cohort has not been prepared, or is damaged.
    """
    settings = load_config(path, StudySettings, overrides).settings
    cells = tuple(
        _cell(settings, variant, levels) for levels in settings.combinations() for variant in settings.variants
    )
    described = cache(lambda roots: read_cohorts(roots))
    runs, tasks = [], set()
    for cell in cells:
        for fold in settings.folds.numbers if settings.folds else [None]:
            for seed in settings.seeds:
                own = (*cell.overrides, *_of_fold(settings, fold), f"seed={seed}")
                config = _checked(cell, own)
                cohort = described(tuple(config.settings.cohorts))
                made_from = MadeFrom(configuration_hash(config.tree), cohort.fingerprint, __version__)
                runs.append(PlannedRun(cell, seed, fold, own, made_from, cohort))
                tasks.add(config.settings.task)
    _refuse_same(runs)
    if len(tasks) > 1:
        raise ConfigError(f"{path} trains {' and '.join(sorted(tasks))}: a study compares trainings of one task.")
    (task,) = tasks
    for name, metric in settings.metrics.items():
        if isinstance(metric, PredictionMetric) and task != "classification":
            raise ConfigError(f"{path}: metrics.{name}: source predictions is for the classifier, not for {task}.")
    return Study(settings, task, cells, tuple(runs))


def configuration_hash(tree: dict[str, Any]) -> str:
    """The first digits of the SHA-256 of a resolved configuration: of the keys that are written, in any order."""
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:HASH]


def _cell(settings: StudySettings, variant: str, levels: dict[str, str]) -> Cell:
    own = settings.variants[variant]
    parts = {f"factors.{factor}.{level}": settings.factors[factor][level] for factor, level in levels.items()}
    parts[f"variants.{variant}"] = own
    bases = [part.base for part in parts.values() if part.base is not None]
    if len(bases) > 1:
        names = [name for name, part in parts.items() if part.base is not None]
        raise ConfigError(f"{' and '.join(names)} name a base each: a training has one.")
    folds = settings.folds.overrides if settings.folds else []
    _refuse_conflicts(parts, {"seed": "seeds", **{override.partition("=")[0]: "folds" for override in folds}})
    overrides = [*settings.overrides, *(override for part in parts.values() for override in part.overrides)]
    config = find_config(Path(bases[0] if bases else settings.base))
    return Cell(variant, levels, own.title or variant, config, tuple(overrides))


def _refuse_conflicts(parts: dict[str, VariantSettings], owner: dict[str, str]) -> None:
    """Refuse two parts of a training that set the same key: which one holds would depend on their order.

    Args:
        owner: by key, what sets it for every training.
    """
    for name, part in parts.items():
        for override in part.overrides:
            key = override.partition("=")[0]
            for other, first in owner.items():
                if first != name and f"{key}.".startswith(f"{other}.") | f"{other}.".startswith(f"{key}."):
                    raise ConfigError(f"{first} and {name} both set {key}: leave it to one of them.")
            owner[key] = name


def _of_fold(settings: StudySettings, fold: int | None) -> list[str]:
    if settings.folds is None:
        return []
    return [override.replace(FOLD, str(fold)) for override in settings.folds.overrides]


def _checked(cell: Cell, overrides: tuple[str, ...]) -> Config[TrainingSettings]:
    """The configuration of one training; an error names the variant that has it."""
    try:
        file = resolve(cell.config, overrides)
        return file.check(file.choose(TASK_SETTINGS))
    except ConfigError as error:
        raise ConfigError(f"{cell.name}: {error}") from error


def _refuse_same(runs: Sequence[PlannedRun]) -> None:
    """Refuse two runs of one configuration: they would be the same training twice."""
    first: dict[str, PlannedRun] = {}
    for run in runs:
        other = first.setdefault(run.made_from.configuration, run)
        if other is not run:
            raise ConfigError(f"{other.name} and {run.name} have the same configuration: leave out one of them.")
