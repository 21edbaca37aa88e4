"""The smallest study from end to end: killed, resumed, by one process and by two, with runs that fail."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lung_ssp.cli import main
from lung_ssp.process_pool import ONE_THREAD
from lung_ssp.studies.compare import failure_of
from lung_ssp.studies.work import RunEnd
from lung_ssp.training.run import best_fingerprint

REPOSITORY = Path(__file__).resolve().parents[2]
RUNS = [f"{variant}/{seed}" for variant in ("single_task", "partial_soft_sharing") for seed in (0, 1)]
PATIENCE = 300  # seconds

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tiny_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words that run the smallest study on a cohort made for the tests, without its folder."""
    roots = [f"{split}_dataset.dataset_root={tiny_cohort}" for split in ("train", "val", "test")]
    overrides = ["epochs=1", "model.fully_connected=32", *roots]
    return ["compare", "studies/smoke.yml", "-o", f"overrides={overrides}"]


@pytest.fixture(scope="module")
def by_one(study: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study by one process, with a third variant whose trainings fail."""
    out = tmp_path_factory.mktemp("one") / "study"
    too_large = "variants.too_large={title: a batch too large, overrides: [batch_size=4096]}"
    assert main([*study, "-o", too_large, "--output", str(out), "--workers", "1"]) == 2
    return out


def start(words: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "lung_ssp.cli", *words],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_a_run_that_fails_stops_no_other_and_is_told_at_the_end(
    by_one: Path, study: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = pd.read_csv(by_one / "runs.csv")
    assert runs["folder"].tolist() == [f"runs/{name}" for name in RUNS]
    assert runs[["image_accuracy", "calibration_error", "loss", "training_seconds"]].notna().all(axis=None)
    told = (by_one / "statistics.txt").read_text()
    assert "4 of 6 runs; 2 seeds" in told and "a batch too large: no complete seed" in told
    assert "too_large/0 failed: " in told and "batch" in told
    # once more, without that variant and with a metric that no run has: nothing is trained, the end is told
    began = time.perf_counter()
    wrong = "metrics.wrong={source: evaluation, title: Wrong, key: comparisons.image_against_reder.accuracy}"
    assert main([*study, "-o", wrong, "--output", str(by_one)]) == 2
    assert time.perf_counter() - began < PATIENCE
    said = capsys.readouterr()
    assert "4 of 4 runs" in said.out
    assert "The study is not complete, 4 times something is missing: " in said.err
    assert "single_task/0 has no wrong: " in said.err and "did you mean image_against_reader?" in said.err
    assert "Traceback" not in said.err


def test_a_killed_study_goes_on_with_the_same_bits_whatever_the_number_of_processes(
    by_one: Path, study: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    first = start([*study, "--output", str(out), "--workers", "1"])
    record = out / "records" / f"{RUNS[0]}.json"
    until = time.monotonic() + PATIENCE
    while not record.is_file() and first.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    written = record.stat().st_mtime_ns
    assert len(list((out / "records").rglob("*.json"))) < len(RUNS)
    main([*study, "--output", str(out), "--dry-run"])
    assert "4 trainings, 1 done" in capsys.readouterr().out
    time.sleep(1)  # for the killed study's process to have ended, which holds the run's folder
    assert main([*study, "--output", str(out), "--workers", "2"]) == 0
    assert record.stat().st_mtime_ns == written  # what is finished is not repeated
    for name in RUNS:
        assert best_fingerprint(out / "runs" / name) == best_fingerprint(by_one / "runs" / name)
        ours, others = (np.load(folder / "records" / f"{name}.npz") for folder in (out, by_one))
        assert all(np.array_equal(ours[key], others[key]) for key in ours.files)
    columns = ["variant", "seed", "configuration", "image_accuracy", "calibration_error", "image_balanced_accuracy"]
    one, other = (pd.read_csv(folder / "runs.csv")[columns] for folder in (by_one, out))
    pd.testing.assert_frame_equal(one.head(len(RUNS)), other)
    assert (out / "figures" / "image_accuracy.png").is_file()
    curves = pd.read_csv(out / "curves.csv")
    assert set(curves["tag"]) == {"loss_total_value", "alphas/fc3/image_from_pathology"}
    assert set(curves.loc[curves["tag"] != "loss_total_value", "variant"]) == {"partial_soft_sharing"}
    assert (out / "figures" / "along_the_training.png").is_file()
    assert main([*study, "--output", str(out), "--dry-run"]) == 0
    assert "4 trainings, 4 done" in capsys.readouterr().out


def test_a_run_of_a_study_is_what_train_makes_by_one_thread(by_one: Path, study: list[str], tmp_path: Path) -> None:
    config = by_one / "runs" / RUNS[2] / "config.yml"
    subprocess.run(
        [sys.executable, "-m", "lung_ssp.cli", "train", "--config", config, "--output", tmp_path / "run"],
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(REPOSITORY)},
        check=True,
        capture_output=True,
    )
    assert best_fingerprint(tmp_path / "run") == best_fingerprint(by_one / "runs" / RUNS[2])


def test_the_time_of_a_new_study_comes_from_timed_steps(
    study: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*study, "--output", str(tmp_path / "new"), "--dry-run", "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "4 trainings, 0 done" in said and "4 to train, 1 side by side: about " in said
    assert "3 timed steps of each variant" in said
    assert not (tmp_path / "new").exists()


def test_how_a_run_ended_is_told() -> None:
    assert failure_of(RunEnd("a/0")) == ""
    assert failure_of(RunEnd("a/0", "The loss is nan at step 3.")) == "The loss is nan at step 3."
    assert failure_of(ValueError("strange")) == "Unexpected error: ValueError (strange)."


def test_the_process_that_runs_a_study_loads_no_paddle() -> None:
    names = "lung_ssp.studies.compare, lung_ssp.studies.estimate, lung_ssp.studies.work"
    code = f"import sys, {names}; print('paddle' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "False"
