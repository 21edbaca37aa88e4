"""What an evaluation leaves in a run's folder: the figures as metrics.json, and a report to read as metrics.txt."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from lung_ssp.errors import CheckpointError, DamagedFile
from lung_ssp.files import sha256_of, write_json, write_text
from lung_ssp.paths import is_plain_name
from lung_ssp.settings import Settings, first_problem
from lung_ssp.training.run import FIGURES, BestCheckpoint

METRICS_FILE, REPORT_FILE, EVALUATED = "metrics.json", "metrics.txt", "evaluation.json"


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


class EvaluationRecord(Settings):
    """What evaluation.json says of the evaluation whose files lie in a run's folder."""

    made_from: dict[str, JsonValue] = Field(description="the weights, the cohort and the options")
    metrics_sha256: str = Field(description="SHA-256 of metrics.json")
    files: dict[str, str] = Field(default_factory=dict, description="further files, each with its SHA-256")
    figures: list[str] = Field(description="the names of the pictures")


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


def forget_evaluation(run: Path) -> None:
    """Remove the record: a killed evaluation must not leave its files under an older one."""
    (run / EVALUATED).unlink(missing_ok=True)


def record_evaluation(run: Path, made_from: dict[str, JsonValue], files: Sequence[str] = ()) -> None:
    """Write evaluation.json, the last file of an evaluation.

    Args:
        files: the names of what the evaluation has written beside metrics.json, metrics.txt and the pictures.
    """
    record = EvaluationRecord(
        made_from=made_from,
        metrics_sha256=sha256_of(run / METRICS_FILE),
        figures=sorted(path.name for path in (run / FIGURES).glob("*.png")),
        files={name: sha256_of(run / name) for name in files},
    )
    write_json(run / EVALUATED, record.model_dump(mode="json"))


def complete_evaluation(run: Path) -> EvaluationRecord | None:
    """What evaluation.json says, if all files of the evaluation are there and those with a hash are as written."""
    try:
        record = EvaluationRecord.model_validate_json((run / EVALUATED).read_bytes())
    except (OSError, ValidationError):
        return None
    there = is_measured(run) and all((run / FIGURES / name).is_file() for name in record.figures)
    hashed = {METRICS_FILE: record.metrics_sha256, **record.files}
    same = there and all(is_plain_name(name) and (run / name).is_file() for name in hashed)
    return record if same and all(sha256_of(run / name) == own for name, own in hashed.items()) else None


def recorded_metrics(run: Path, made_from: dict[str, JsonValue], kind: type[Kind]) -> Kind | None:
    """The figures in the folder of a run, if they were made from just that and all of their files are there.

    None where they were not, a file is gone, or metrics.json is not what was written: they have to be made again.
    """
    record = complete_evaluation(run)
    if record is None or record.made_from != made_from:
        return None
    try:
        return read_metrics(run, kind)
    except DamagedFile:
        return None
