"""How fast series are prepared, and what a worker needs, with several numbers of workers."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lung_ssp.benchmark.memory import peak_memory_mb
from lung_ssp.cohort.nlst.dask_workers import open_workers, run_jobs
from lung_ssp.cohort.nlst.preparation import read_nlst
from lung_ssp.cohort.nlst.series_work import SeriesWork
from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.errors import CohortError


def benchmark_preparation(settings: NlstSettings, workers: Sequence[int], repeats: int) -> dict[str, Any]:
    """Prepare all downloaded series of a plan with each number of workers, in turns, into a folder that is thrown away.

    The processes are started, and have done one series each, before the clock starts.

    Returns:
        series and megabytes; for each number of workers the seconds of each repeat, series a second (of the fastest),
        the ratio to the first number, and the largest memory of any worker in MB.

    Raises:
        LungSspError: the plan or the tables are missing or damaged, or no series is there.
    """
    inputs = read_nlst(settings)
    jobs = [job for job in inputs.jobs if job.folder.is_dir()]
    if not jobs:
        raise CohortError(f"None of the plan's series lies in {settings.folders.images}: download them first.")
    seconds: dict[int, list[float]] = {count: [] for count in workers}
    memory = dict.fromkeys(workers, 0.0)
    for _ in range(repeats):
        for count in workers:
            own = settings.workers.model_copy(update={"count": count})
            with tempfile.TemporaryDirectory() as out, open_workers(own, None) as client:
                work = SeriesWork(Path(out), settings.series, inputs.rule, None)
                for _ in run_jobs(client, work, jobs[:count], lambda job: f"before-{job.name}"):
                    pass
                begin = time.perf_counter()
                for _ in run_jobs(client, work, jobs, lambda job: job.name):
                    pass
                seconds[count].append(time.perf_counter() - begin)
                memory[count] = max(memory[count], *client.run(peak_memory_mb).values())
    fastest = {count: min(times) for count, times in seconds.items()}
    return {
        "series": len(jobs),
        "megabytes": round(sum(job.megabytes for job in jobs), 1),
        "workers": {
            str(count): {
                "seconds": [round(value, 3) for value in seconds[count]],
                "series_per_second": round(len(jobs) / fastest[count], 3),
                "times_as_fast": round(fastest[workers[0]] / fastest[count], 3),
                "peak_memory_mb": round(memory[count], 1),
            }
            for count in workers
        },
    }
