"""One run of a study, done by a worker process: trained, measured, and noted as finished."""

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from lung_ssp import runtime
from lung_ssp.cohort.split import patients_by_split
from lung_ssp.errors import place_of
from lung_ssp.studies.plan import MadeFrom
from lung_ssp.studies.record import FORMAT, MadeFromRecord, RunRecord, run_folder, write_run_record
from lung_ssp.training.launch import sentence_of
from lung_ssp.training.run import has_begun

if TYPE_CHECKING:
    import paddle

VERSIONS = {"paddle": ("paddlepaddle", "paddlepaddle-gpu"), "numpy": ("numpy",)}


@dataclass(frozen=True)
class RunJob:
    """What a worker needs of a planned run; small, since it is sent.

    name: of its folder. config: the configuration file.
    """

    name: str
    config: Path
    overrides: tuple[str, ...]
    made_from: MadeFrom


@dataclass(frozen=True)
class RunEnd:
    """How a run ended: `failure` says why it failed, in a sentence; empty where it is finished."""

    name: str
    failure: str = ""


@dataclass(frozen=True)
class RunWork:
    """What a worker does with a run of the study in the folder `out`."""

    out: Path
    device: runtime.Device

    def __call__(self, job: RunJob) -> RunEnd:
        """Train and measure the run, or go on with it; a failure ends this run alone."""
        try:
            with silence():
                self.finish(job)
        except Exception as error:
            return RunEnd(job.name, sentence_of(error) or f"Unexpected error: {place_of(error)}.")
        finally:
            runtime.return_free_memory()
        return RunEnd(job.name)

    def finish(self, job: RunJob) -> None:
        """Train, measure, note."""
        runtime.require_libraries()
        from lung_ssp.runs import evaluate, train
        from lung_ssp.tasks import read_training

        run = run_folder(self.out, job.name)
        begun, started = has_begun(run), datetime.now(timezone.utc)
        begin = time.perf_counter()
        train(job.config, run, job.overrides, self.device, resume=True)
        trained = time.perf_counter()
        evaluate(run, device=self.device)
        evaluated = time.perf_counter()
        task, config = read_training(job.config, job.overrides)
        predictions = predictions_of(run) if task.name == "classification" else None
        record = RunRecord(
            format=FORMAT,
            made_from=MadeFromRecord(**asdict(job.made_from)),
            commit=runtime.commit(),
            versions=versions(),
            started=started,
            training_seconds=None if begun else round(trained - begin, 3),
            evaluation_seconds=round(evaluated - trained, 3),
            parameters=learned_parameters(task.build_network(config)),
            test_patients=len(patients_by_split(*config.settings.cohorts)["test"]),
            predicted=predictions is not None,
        )
        write_run_record(self.out, job.name, record, predictions)


def learned_parameters(network: "paddle.nn.Layer") -> int:
    """How many numbers of a network learn; the moving averages of batch normalisations do not."""
    return sum(int(np.prod(one.shape)) for one in network.parameters() if not one.stop_gradient)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Drop what a training prints, its progress included: the study shows the progress of all.

    Progress bars get a lock of this process alone: one between processes would be told as left behind by a kill.
    """
    tqdm.set_lock(RLock())
    with Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
        yield


def predictions_of(run: Path) -> dict[str, np.ndarray]:
    """A classifier's predictions of the test sections, by the names of record.PREDICTIONS."""
    from lung_ssp.classification.evaluate import predict_test

    predicted = predict_test(run)
    arrays = {f"{task}_probabilities": own.astype(np.float32) for task, own in predicted.probabilities.items()}
    arrays |= {f"{task}_labels": own.astype(np.int16) for task, own in predicted.labels.items()}
    return {**arrays, "patients": predicted.patients.astype(str)}


def versions() -> dict[str, str]:
    """Of Python and the packages that compute."""
    found = {name: next(filter(None, map(runtime.package_version, own)), "") for name, own in VERSIONS.items()}
    return {"python": platform.python_version(), **found}
