"""What an evaluation leaves in a run's folder: the figures as metrics.json, and a report to read as metrics.txt."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from lung_ssp.errors import CheckpointError, DamagedFile
from lung_ssp.files import write_json, write_text
from lung_ssp.settings import first_problem
from lung_ssp.training.run import BestCheckpoint

METRICS_FILE, REPORT_FILE, FIGURES = "metrics.json", "metrics.txt", "figures"


@dataclass(frozen=True)
class Metrics:
    """The figures of a run; those of each task add their own.

    statement: what the numbers come from, with the cohort's fingerprint.
    synthetic: whether the cohort is of phantoms.
    fingerprint: of the cohort.
    checkpoint: the weights that were measured.
    """

    statement: str
    synthetic: bool
    fingerprint: str
    checkpoint: BestCheckpoint


@dataclass(frozen=True)
class Evaluation:
    """A run that has been measured.

    run: its folder.
    metrics: ClassificationMetrics or SegmentationMetrics, as the run's task has it.
    """

    run: Path
    metrics: Metrics

    @property
    def figures(self) -> Path:
        """The folder of the pictures."""
        return self.run / FIGURES

    def text(self) -> str:
        """The report to read."""
        return (self.run / REPORT_FILE).read_text(encoding="utf-8")


Kind = TypeVar("Kind", bound=Metrics)


def write_metrics(run: Path, metrics: Metrics, report: str) -> None:
    """Write metrics.json and metrics.txt into the folder of a run, each atomically; NaN is refused."""
    write_json(run / METRICS_FILE, TypeAdapter(type(metrics)).dump_python(metrics, mode="json"))
    write_text(run / REPORT_FILE, report)


def read_metrics(run: Path, kind: type[Kind]) -> Kind:
    """The figures in the folder of a run.

    Args:
        kind: what a run of its task has.

    Raises:
        CheckpointError: the run has not been evaluated.
        DamagedFile: its metrics.json is no such file; the first invalid key is named.
    """
    path = run / METRICS_FILE
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist: evaluate the run first with lung-ssp eval {run}.")
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        raise DamagedFile(
            f"{path} is damaged ({first_problem(error)}): remove it and evaluate the run again with "
            f"lung-ssp eval {run}."
        ) from error


def is_measured(run: Path) -> bool:
    """Whether the folder of a run holds both files."""
    return (run / METRICS_FILE).is_file() and (run / REPORT_FILE).is_file()
