"""How long the first steps of a cohort from NLST's images take: the plan, and the preparation of its series."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from command import positive, run
from lung_ssp.benchmark.device import peak_memory_mb
from lung_ssp.cli.command import add_stepwise_cohort
from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.config import load_config
from lung_ssp.errors import CohortError, LungSspError
from lung_ssp.runtime import require_libraries
from lung_ssp.stepwise import config_of_cohort, nlst_packages

PLAN_CODE = """
import sys
from pathlib import Path
from lung_ssp.benchmark.device import peak_memory_mb
from lung_ssp.cohort.nlst.plan import make_plan
from lung_ssp.cohort.nlst.settings import PlanSettings
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
make_plan(PlanSettings.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Pseudonyms(bytes(32)))
print(peak_memory_mb())
"""


@dataclass(frozen=True)
class PlanSpeed:
    """seconds: of each repeat, the start of Python included. peak_memory_mb: the largest of any repeat."""

    seconds: list[float]
    peak_memory_mb: float


@dataclass(frozen=True)
class WorkersSpeed:
    """Preparation with one number of workers.

    seconds: of each repeat.
    series_per_second: of the fastest repeat.
    speedup: over the first number of workers.
    peak_memory_mb: the largest of any worker.
    """

    workers: int
    seconds: list[float]
    series_per_second: float
    speedup: float
    peak_memory_mb: float


@dataclass(frozen=True)
class PreparationSpeed:
    """How many series of what size were prepared, and how fast with each number of workers."""

    series: int
    megabytes: float
    by_workers: list[WorkersSpeed]


def benchmark_plan(settings: NlstSettings, repeats: int) -> PlanSpeed:
    """Make the plan of a whole index several times, each in a fresh process and into a temporary folder.

    Raises:
        LungSspError: the plan cannot be made.
    """
    seconds, memory = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", PLAN_CODE, settings.plan.model_dump_json(), str(Path(folder) / "plan")]
            begin = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            seconds.append(round(time.perf_counter() - begin, 2))
        if done.returncode:
            problem = done.stderr.strip().splitlines()[-1].split(": ", 1)[-1].rstrip(".")
            raise LungSspError(f"The plan cannot be made ({problem}): try lung-ssp prepare plan.")
        memory.append(float(done.stdout))
    return PlanSpeed(seconds, round(max(memory), 1))


def benchmark_preparation(settings: NlstSettings, workers: Sequence[int], repeats: int) -> PreparationSpeed:
    """Prepare all downloaded series of a plan with each number of workers, in turns, into a temporary folder.

    The workers have started, and have done one series each, before the clock starts.

    Raises:
        LungSspError: the plan or the tables are missing or damaged, or no series is there.
        EnvironmentProblem: a package of the extra nlst is missing.
    """
    require_libraries("cv2")
    with nlst_packages():
        from lung_ssp.cohort.nlst.plan_to_cohort import read_nlst
        from lung_ssp.cohort.nlst.series_preparation import SeriesWork
        from lung_ssp.dask_workers import open_workers, run_jobs
    inputs = read_nlst(settings)
    jobs = [job for job in inputs.jobs if job.folder.is_dir()]
    if not jobs:
        raise CohortError(f"None of the plan's series is in {settings.folders.images}: download them first.")
    seconds: dict[int, list[float]] = {count: [] for count in workers}
    memory = dict.fromkeys(workers, 0.0)
    for _ in range(repeats):
        for count in workers:
            own = settings.workers
            with tempfile.TemporaryDirectory() as out, open_workers(count, own.memory_gb, own.attempts, None) as client:
                work = SeriesWork(Path(out), settings.series, inputs.rule, None)
                for _ in run_jobs(client, work, jobs[:count], lambda job: f"warmup-{job.name}"):
                    pass
                begin = time.perf_counter()
                for _ in run_jobs(client, work, jobs, lambda job: job.name):
                    pass
                seconds[count].append(time.perf_counter() - begin)
                memory[count] = max(memory[count], *client.run(peak_memory_mb).values())
    fastest = {count: min(times) for count, times in seconds.items()}
    by_workers = [
        WorkersSpeed(
            workers=count,
            seconds=[round(value, 3) for value in seconds[count]],
            series_per_second=round(len(jobs) / fastest[count], 3),
            speedup=round(fastest[workers[0]] / fastest[count], 3),
            peak_memory_mb=round(memory[count], 1),
        )
        for count in workers
    ]
    return PreparationSpeed(len(jobs), round(sum(job.megabytes for job in jobs), 1), by_workers)


def main(words: Sequence[str] | None = None) -> int:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP", title="steps")
    plan = steps.add_parser("plan", help="the plan of a whole index, and its memory")
    preparation = steps.add_parser(
        "preparation", help="the downloaded series of a plan, with several numbers of workers"
    )
    for step in (plan, preparation):
        add_stepwise_cohort(step)
        step.add_argument("--repeats", type=positive, default=3, metavar="N", help="how often (3)")
    preparation.add_argument(
        "--workers", type=positive, nargs="+", default=[1, 2], metavar="N", help="numbers of workers (1 2)"
    )
    arguments = parser.parse_args(words)

    def settings_of(arguments: argparse.Namespace) -> NlstSettings:
        path = arguments.config if arguments.cohort is None else config_of_cohort(arguments.cohort)
        return load_config(path, NlstSettings, arguments.override).settings

    if arguments.step == "plan":
        return run(lambda: benchmark_plan(settings_of(arguments), arguments.repeats))
    return run(lambda: benchmark_preparation(settings_of(arguments), arguments.workers, arguments.repeats))


if __name__ == "__main__":
    sys.exit(main())
