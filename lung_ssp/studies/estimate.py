"""How many trainings a study has, how many are done, and how long the others will take."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from tqdm import tqdm

from lung_ssp import runtime
from lung_ssp.dask_workers import open_workers, run_jobs
from lung_ssp.errors import LungSspError
from lung_ssp.studies.compare import ATTEMPTS, Workers, failure_of
from lung_ssp.studies.plan import PlannedRun, plan_study
from lung_ssp.studies.record import StudyError, check_folder, finished_record
from lung_ssp.studies.work import RunJob

WARMUP, TIMED = 2, 3  # steps


@dataclass(frozen=True)
class TimedSteps:
    """A training's first steps: seconds of one, and how many the whole training has."""

    seconds: float
    steps: int


@dataclass(frozen=True)
class Estimate:
    """What is left of a study.

    runs, done: trainings, and how many of them are finished.
    measured_from: what the seconds come from, in words.
    seconds: of all missing trainings, `side_by_side` at a time; None where nothing is missing.
    """

    study: str
    statement: str
    runs: int
    done: int
    side_by_side: int
    seconds: float | None
    measured_from: str

    def text(self) -> str:
        """As the command line tells it."""
        lines = [f"{self.study}: {self.runs} trainings, {self.done} done", self.statement]
        if self.seconds is not None:
            minutes = round(self.seconds / 60)
            told = f"{minutes // 60} h {minutes % 60:02d} min" if minutes else f"{self.seconds:.0f} s"
            lines.append(
                f"{self.runs - self.done} to train, {self.side_by_side} side by side: about {told} "
                f"({self.measured_from})"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class TimeSteps:
    """What a worker does to time a training's first steps; nothing is written."""

    device: runtime.Device

    def __call__(self, job: RunJob) -> TimedSteps:
        """Build the training and time a few of its steps."""
        runtime.require_libraries()
        from lung_ssp.tasks import read_training
        from lung_ssp.training.batches import batches
        from lung_ssp.training.loop import Trainer

        runtime.choose_device(self.device)
        task, config = read_training(job.config, job.overrides)
        settings = config.settings
        training = task.build(config)
        trainer = Trainer(training, settings, Path())  # whose folder stays as it is: nothing is saved
        training.task.network.train()
        begin = 0.0
        last = min(WARMUP + TIMED, training.steps)
        with batches(training.task.load, trainer.order, settings.seed, range(1, last + 1), 0) as step_batches:
            for number, step_batch in enumerate(step_batches):
                if number == min(WARMUP, last - 1):
                    begin = time.perf_counter()
                float(trainer.update(step_batch.batch)["total"])
        return TimedSteps((time.perf_counter() - begin) / max(1, last - WARMUP), training.steps)


def estimate(path: str | Path, out: str | Path, overrides: Sequence[str], workers: Workers) -> Estimate:
    """What is left of a study, and how long it takes; nothing is trained, and nothing is written.

    The time is that of the finished runs of the same variant, else of all finished runs; where none has finished, that
    of a few steps of each variant times its number of steps, without logs, validations and evaluation.

    Raises:
        LungSspError: as `compare.compare` raises it; or a variant's steps cannot be timed.
    """
    study, out = plan_study(path, overrides), Path(out)
    check_folder(out, study)
    records = {run.name: finished_record(out, run) for run in study.runs}
    missing = [run for run in study.runs if records[run.name] is None]
    done = len(study.runs) - len(missing)
    facts = (study.settings.name, study.statement, len(study.runs), done)
    if not missing:
        return Estimate(*facts, 0, None, "")
    measured: dict[str, list[float]] = {}
    for run in study.runs:
        record = records[run.name]
        if record is not None and record.training_seconds is not None:
            measured.setdefault(run.cell.name, []).append(record.training_seconds + record.evaluation_seconds)
    places = min(count_places(workers), len(missing))
    if measured:
        every = [seconds for own in measured.values() for seconds in own]
        total = sum(mean(measured.get(run.cell.name, every)) for run in missing)
        source = f"measured on {len(every)} finished run{'s' * (len(every) > 1)}"
    else:
        timed = time_steps(missing, workers)
        total = sum(timed[run.cell.name].seconds * timed[run.cell.name].steps for run in missing)
        source = f"{TIMED} timed steps of each variant times its steps; logs, validations, evaluations come on top"
    return Estimate(*facts, places, total / places, source)


def count_places(workers: Workers) -> int:
    """How many trainings go side by side: as many as there are processes."""
    if workers.scheduler is None:
        return workers.count
    with open_workers(workers.count, None, ATTEMPTS, workers.scheduler) as client:
        return max(1, len(client.scheduler_info(n_workers=-1)["workers"]))


def time_steps(missing: Sequence[PlannedRun], workers: Workers) -> dict[str, TimedSteps]:
    """The first steps of a run of each variant, by the variant's name, as many side by side as later trainings.

    Raises:
        StudyError: those of one cannot be timed.
    """
    first: dict[str, PlannedRun] = {}
    for run in missing:
        first.setdefault(run.cell.name, run)
    jobs = [RunJob(name, run.cell.config.resolve(), run.overrides, run.made_from) for name, run in first.items()]
    timed = {}
    with open_workers(min(workers.count, len(jobs)), None, ATTEMPTS, workers.scheduler) as client:
        ended = run_jobs(client, TimeSteps(workers.device), jobs, lambda job: f"time-{job.name}")
        for job, steps in tqdm(ended, "timing steps", total=len(jobs), unit="variant"):
            if not isinstance(steps, TimedSteps):
                why = str(steps) if isinstance(steps, LungSspError) else failure_of(steps)
                raise StudyError(f"{job.name} cannot be trained: {why}")
            timed[job.name] = steps
    return timed
