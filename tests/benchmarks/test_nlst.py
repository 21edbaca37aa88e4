"""Plan and preparation are measured as they say; how fast they are is not tested."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.errors import EnvironmentProblem, LungSspError
from nlst import benchmark_plan, benchmark_preparation

REPOSITORY = Path(__file__).resolve().parents[2]

FOLDERS = dict.fromkeys(("plan", "images", "tables", "samples", "cohort", "salt"), "nowhere")


def settings_with(**plan: object) -> NlstSettings:
    return NlstSettings.model_validate(
        {"task": "nlst", "name": "x", "synthetic": True, "folders": FOLDERS, "plan": plan}
    )


@pytest.mark.slow
def test_a_plan_that_cannot_be_made_is_told():
    with pytest.raises(LungSspError, match=r"nowhere\.parquet does not exist"):
        benchmark_plan(settings_with(index="nowhere.parquet"), repeats=1)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lung_ssp.dask_workers", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EnvironmentProblem, match="distributed is missing: install the extra nlst"):
        benchmark_preparation(settings_with(), [1], repeats=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "--cohort", "nlts"], "There is no shipped cohort 'nlts'"),
        (["plan", "-o", "plan.index={}/none", "-o", "plan.boxes.sybil=null"], "none does not exist"),
        (["preparation", "-o", "folders.plan={}/none"], "holds no plan"),
    ],
)
def test_the_script_tells_a_fault_in_one_sentence(words: list[str], message: str, tmp_path: Path) -> None:
    cohort = [] if "--cohort" in words else ["--cohort", "simulated_nlst"]
    command = [sys.executable, REPOSITORY / "benchmarks" / "nlst.py", *(word.format(tmp_path) for word in words)]
    own = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([*command, *cohort], cwd=REPOSITORY, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (sentence,) = done.stderr.strip().splitlines()
    assert message in sentence


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
