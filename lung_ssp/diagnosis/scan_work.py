"""What a worker process does with one scan of many. It loads the networks, and Paddle, once."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lung_ssp.ct.source import Contents, contents_of
from lung_ssp.diagnosis.formats import Outputs
from lung_ssp.diagnosis.inventory import Scan
from lung_ssp.diagnosis.output import UNFINISHED, UNFINISHED_TEXT, check_output, own_files
from lung_ssp.errors import CheckpointError, LungSspError, SeriesError, is_of_the_system, place_of
from lung_ssp.errors import sentence_of_system_error as sentence_of
from lung_ssp.files import write_text
from lung_ssp.folders import alone_in, others_in
from lung_ssp.runtime import Device, return_free_memory
from lung_ssp.visible import visible

if TYPE_CHECKING:
    from lung_ssp.diagnosis.diagnoser import Diagnoser
    from lung_ssp.diagnosis.diagnosis import Diagnosis
    from lung_ssp.training.onnx import Engine

Status = Literal["done", "refused", "failed", "duplicate"]
WANT_OF_MEMORY = "The memory is used up: the same command with --processes 1 tries it again with all of it."


@dataclass(frozen=True)
class ScanResult:
    """How the diagnosis of one scan ended.

    scan, place, series_uid: of the inventory's Scan. source: its digest.
    status: "done"; "refused", where the scan is not one that can be read, "failed", where something else went wrong;
        "duplicate", where it is a copy of a scan that is diagnosed.
    reason, message: of what was not done its kind and one sentence; empty where it was done.
    seconds: of each step.
    not_written: the default formats in which it could not be written.
    """

    scan: str
    place: str
    series_uid: str
    source: str
    status: Status
    reason: str = ""
    message: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    not_written: tuple[str, ...] = ()

    @classmethod
    def of(cls, scan: Scan, status: Status, reason: str = "", message: str = "") -> "ScanResult":
        """The result of a scan, without times."""
        place, message = visible(str(scan.place)), visible(message)
        return cls(scan.name, place, scan.series_uid, scan.digest, status, reason, message)


@dataclass(frozen=True)
class Made:
    """What all diagnoses of a folder are made with, and the sentences that every output carries.

    notice, training: as in findings.json. weights, engines: by task. settings: of the lungs and the candidates.
    classes: by task, the names of its classes. learnt_from: by a finding's number, what its weights have learnt from.
    """

    notice: str
    training: str
    weights: dict[str, dict[str, Any]]
    engines: dict[str, str]
    settings: dict[str, Any]
    classes: dict[str, tuple[str, ...]]
    learnt_from: dict[str, str]


@dataclass(frozen=True)
class Networks:
    """Which networks, how scans are read and what is written; small, so that it can be sent with each scan.

    As for `load_diagnoser`. outputs: the formats of each diagnosis.
    """

    segmentation: Path | None
    classification: Path | None
    engine: "Engine | None"
    device: Device
    overrides: tuple[str, ...]
    accept: tuple[str, ...]
    candidates: Path | None = None
    outputs: Outputs = field(default_factory=Outputs)


def describe(networks: Networks) -> Made:
    """What the diagnoses of these networks are made with; it loads them.

    Raises:
        LungSspError: as `load_diagnoser`.
    """
    from lung_ssp.cohort.classes import class_name
    from lung_ssp.diagnosis.diagnosis import NOT_FOR_DIAGNOSIS
    from lung_ssp.diagnosis.learnt_from import learnt_from, training_statement

    diagnoser = _loaded(networks)
    outputs = diagnoser.classifier.settings.model.num_classes
    return Made(
        NOT_FOR_DIAGNOSIS,
        training_statement(diagnoser.weights),
        {task: asdict(weights) for task, weights in diagnoser.weights.items()},
        dict(diagnoser.engines),
        diagnoser.settings.as_json(),
        {
            task: tuple(class_name(label, names) for label in range(getattr(outputs, task)))
            for task, names in diagnoser.names.items()
        },
        learnt_from(diagnoser.weights),
    )


@dataclass(frozen=True)
class ScanWork:
    """Diagnoses a scan of `folder` into its folder below `out`, with networks whose weights are those of `made`."""

    folder: Path
    out: Path
    networks: Networks
    weights: dict[str, dict[str, Any]]

    def __call__(self, scan: Scan) -> ScanResult:
        """Make the files of one scan; what is wrong with it is a result, not an exception.

        Raises:
            LungSspError: the networks cannot be loaded, or others than before lie there.
            OSError: a file cannot be written.
        """
        diagnoser = _loaded(self.networks)
        if {task: asdict(weights) for task, weights in diagnoser.weights.items()} != self.weights:
            raise CheckpointError("A run has changed since the diagnoses began: wait for its end, and start again.")
        try:
            return self._result(diagnoser, scan)
        finally:
            return_free_memory()

    def _result(self, diagnoser: "Diagnoser", scan: Scan) -> ScanResult:
        begin, out = time.perf_counter(), self.out / scan.name
        try:
            prepare_output(out)
        except LungSspError as error:
            return ScanResult.of(scan, *how(error))
        try:
            diagnosis = self._diagnosis(diagnoser, scan)
        except Exception as error:  # whatever it is, the other scans go on
            return ScanResult.of(scan, *how(error))
        try:
            with alone_in(out):
                diagnosis.save(out, self.networks.outputs.formats)
        except OSError:  # a full disk, which the other scans would meet as well
            raise
        except Exception as error:  # what of this scan cannot be written
            return ScanResult.of(scan, *how(error))
        seconds = {step: round(value, 2) for step, value in diagnosis.seconds.items()}
        whole = round(time.perf_counter() - begin, 2)
        seconds["together"] = whole
        not_written = tuple(diagnosis.not_written(self.networks.outputs))
        return replace(ScanResult.of(scan, "done"), seconds=seconds, not_written=not_written)

    def _diagnosis(self, diagnoser: "Diagnoser", scan: Scan) -> "Diagnosis":
        """The diagnosis, the same as of the scan's place alone."""
        from lung_ssp.diagnosis.diagnoser import read_and_diagnose

        if scan.problem is not None:
            raise scan.problem
        place, contents = self.folder / scan.place, None
        if not scan.is_file:
            slices = contents_of(scan.files)
            contents = Contents(slices.by_series, [*slices.left_out, *scan.beside])
        networks = self.networks
        return read_and_diagnose(diagnoser, place, None, networks.accept, contents, networks.outputs)


def prepare_output(folder: Path) -> None:
    """Let a diagnosis be written where nothing lies but files of an earlier one that is to be made again.

    Raises:
        LungSspError: something else lies there.
    """
    ours = {path.name for path in own_files(folder)} if folder.is_dir() else set()
    if ours and others_in(folder) == ours:
        write_text(folder / UNFINISHED, UNFINISHED_TEXT)
    check_output(folder)


def how(error: Exception) -> tuple[Status, str, str]:
    """Status, kind and sentence of an error."""
    if isinstance(error, SeriesError):
        return "refused", error.reason, str(error)
    if isinstance(error, LungSspError):
        return "refused", "invalid", str(error)
    if isinstance(error, MemoryError):
        return "failed", "memory", WANT_OF_MEMORY
    if isinstance(error, OSError) and is_of_the_system(error):
        return "failed", "system", f"{sentence_of(error)}: see to it, and start again."
    return "failed", "unexpected", f"Unexpected error: {place_of(error)}. Please report it."


@lru_cache(maxsize=1)
def _loaded(networks: Networks) -> "Diagnoser":
    from lung_ssp.diagnosis.diagnoser import load_diagnoser

    return load_diagnoser(
        networks.segmentation,
        networks.classification,
        networks.engine,
        networks.device,
        networks.overrides,
        networks.candidates,
    )
