"""Plan and preparation are measured as they say; how fast they are is not tested."""

import subprocess
import sys

import pytest

from lung_ssp.benchmark.device import peak_memory_mb
from lung_ssp.benchmark.nlst import benchmark_plan, benchmark_preparation
from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.errors import LungSspError

FOLDERS = dict.fromkeys(("plan", "images", "tables", "samples", "cohort", "salt"), "nowhere")


def settings_with(**plan: object) -> NlstSettings:
    return NlstSettings.model_validate(
        {"task": "nlst", "name": "x", "synthetic": True, "folders": FOLDERS, "plan": plan}
    )


def test_memory_is_this_process_own_and_never_falls():
    code = (
        "from lung_ssp.benchmark.device import peak_memory_mb as m\n"
        "a = m(); b = bytearray(200_000_000); c = m(); del b; print(a, c, m())"
    )
    before, with_it, after = map(
        float, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert with_it - before == pytest.approx(200, abs=10)
    assert after == pytest.approx(with_it, abs=1)
    assert peak_memory_mb() > 10


def test_a_plan_that_cannot_be_made_is_told():
    with pytest.raises(LungSspError, match=r"nowhere\.parquet does not exist"):
        benchmark_plan(settings_with(index="nowhere.parquet"), repeats=1)


@pytest.mark.slow
def test_series_are_timed_with_each_number_of_workers(plan_nlst, tmp_path):
    speed = benchmark_preparation(plan_nlst(tmp_path), [1, 2], repeats=1)
    assert speed.series == 6
    one, two = speed.by_workers
    assert (one.workers, two.workers) == (1, 2)
    assert one.speedup == 1.0
    assert two.speedup == pytest.approx(one.seconds[0] / two.seconds[0], rel=0.01)
    assert one.series_per_second == pytest.approx(6 / one.seconds[0], rel=0.01)
    assert min(one.peak_memory_mb, two.peak_memory_mb) > 100
    assert not (tmp_path / "samples").exists()
