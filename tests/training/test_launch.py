"""Trainings in two processes as their user meets them: they equal those in one, and a kill does not spoil them."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.cli import main
from lung_ssp.cohort.description import CohortDescription, write_cohort
from lung_ssp.cohort.store import SPLITS, Sections, write_sections
from lung_ssp.config import load_config
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.errors import ConfigError, EnvironmentProblem, TrainingError
from lung_ssp.files import write_json
from lung_ssp.runs import check_processes
from lung_ssp.runtime import PARENT
from lung_ssp.training import distributed, launch
from lung_ssp.training.checkpoint import load_checkpoint
from lung_ssp.training.launch import (
    FAILURE_FILE,
    Failure,
    Job,
    Worker,
    WorkerFailure,
    check_devices,
    error_of,
    first_failed,
    running_as_worker,
    worker_environment,
)

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGS = REPOSITORY / "configs"
TWO_INPUTS = [
    "model.type=TwoInputClassifier",
    *(f"{split}_dataset.type=SectionAndSlideDataset" for split in ("train", "val", "test")),
]
SECONDS_TO_FAIL = 20  # "within seconds", on a busy machine


@pytest.fixture(scope="module")
def classification(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Table 2's protocol, shrunk, on random sections; augmented, without dropout: 28 steps."""
    folder = tmp_path_factory.mktemp("classification")
    rng = np.random.default_rng(0)
    for split, count in zip(SPLITS, (60, 20, 21), strict=True):
        images = rng.random((count, 16, 16), dtype=np.float32)
        image, pathology = rng.integers(9, size=(2, count))
        pathology[::5] = -1
        patients = np.array([f"{split}-{i}" for i in range(count)])
        write_sections(folder, split, Sections(images, {"image": image, "pathology": pathology}, patients))
    write_cohort(
        folder,
        CohortDescription(
            name="random",
            synthetic=True,
            origin="random numbers",
            fingerprint="abcd",
            key="",
            section=SectionSettings(size=16),
        ),
    )
    tree = {
        "_base_": str(CONFIGS / "classification" / "table2.yml"),
        "batch_size": 10,
        "epochs": 4,
        "train_dataset": {"dataset_root": str(folder), "augment": True},
        "val_dataset": {"dataset_root": str(folder)},
        "test_dataset": {"dataset_root": str(folder)},
        "model": {
            "image_size": 16,
            "conv_channels": [4, 4],
            "fully_connected": 16,
            "keep_probability": 1.0,
            "batch_norm_momentum": 0.9,
        },
        "checkpoint": {"every": 7, "validate_every": 5},
        "log": {"every": 1, "scalars_every": 3},
    }
    (folder / "config.yml").write_text(yaml.safe_dump(tree))
    return folder / "config.yml"


def command(config: Path, run: Path, *words: object) -> list[str]:
    whole = (sys.executable, "-m", "lung_ssp.cli", "train", "--config", config, "--output", run, *words)
    return [str(word) for word in whole]


def train(config: Path, run: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(config, run, *words), capture_output=True, text=True, cwd=REPOSITORY, check=False)


def start(config: Path, run: Path, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(config, run, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY
    )


def wait_for_rows(run: Path, rows: int, process: subprocess.Popen[str]) -> None:
    """Until the log has so many rows."""
    log = run / "table2.csv"
    while not log.is_file() or log.read_text().count("\n") <= rows:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def workers_of(process: subprocess.Popen[str]) -> dict[int, psutil.Process]:
    """The workers by their number."""
    found = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        if "lung_ssp.cli" in child.cmdline() and (rank := child.environ().get("PADDLE_TRAINER_ID")) is not None:
            found[int(rank)] = child
    return found


def kill_a_worker(process: subprocess.Popen[str], run: Path, rows: int, rank: int) -> None:
    """Kill it as the system does when memory runs out, as soon as the log has so many rows."""
    wait_for_rows(run, rows, process)
    workers_of(process)[rank].kill()


def figures(run: Path) -> np.ndarray:
    """The numbers of a run's log."""
    (log,) = run.glob("*.csv")
    with log.open() as file:
        return np.array([[float(cell) for cell in row] for row in list(csv.reader(file))[1:]])


def weights(run: Path) -> dict[str, np.ndarray]:
    step, arrays, _ = load_checkpoint(run / "checkpoints", "latest")
    return {**arrays, "step": np.array(step)}


def assert_equal_but_for_rounding(run: Path, reference: Path) -> None:
    """The same losses, measures and weights, moving averages and the optimizer's accumulators among them."""
    assert figures(run) == pytest.approx(figures(reference), abs=1e-4)
    ours, theirs = weights(run), weights(reference)
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-3 * max(1e-3, np.abs(value).max())), name


@pytest.fixture(scope="module")
def alone(classification: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in one process."""
    run = tmp_path_factory.mktemp("alone") / "run"
    assert main(command(classification, run)[3:]) == 0
    return run


@pytest.fixture(scope="module")
def together(classification: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in two processes that nobody disturbed."""
    run = tmp_path_factory.mktemp("together") / "run"
    done = train(classification, run, "--processes", 2)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "28 steps done" in done.stdout
    assert "28/28" in done.stdout  # the progress bar
    return run


def test_a_classifier_learns_the_same_in_two_processes(alone: Path, together: Path) -> None:
    assert len(figures(together)) == 28
    assert_equal_but_for_rounding(together, alone)
    assert json.loads((together / "environment.json").read_text())[0]["processes"] == 2
    by_one_alone = {"export"}  # where the extra onnx is installed
    assert {path.name for path in together.iterdir()} == {path.name for path in alone.iterdir()} - by_one_alone


def test_a_killed_worker_ends_the_training_at_once_and_it_goes_on_with_other_numbers(
    classification: Path, alone: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(classification, run, "--processes", 2)
    kill_a_worker(process, run, rows=9, rank=1)
    begin = time.monotonic()
    _, said = process.communicate()
    assert time.monotonic() - begin < SECONDS_TO_FAIL
    assert process.returncode == 2
    assert said.splitlines() == [
        f"lung-ssp train: Worker 1 of 2 (counted from 0) was killed by SIGKILL: see {run}/launch/worker-1.log. "
        "Add --resume to go on from the last checkpoint."
    ]
    assert {path.name for path in (run / "launch").iterdir()} == {"worker-0.log", "worker-1.log"}

    process = start(classification, run, "--resume")
    wait_for_rows(run, 16, process)
    process.kill()
    process.communicate()
    done = train(classification, run, "--resume", "--processes", 2)
    assert done.returncode == 0, done.stderr
    starts = json.loads((run / "environment.json").read_text())
    assert [start["processes"] for start in starts] == [2, 1, 2]
    assert_equal_but_for_rounding(run, alone)


def test_a_training_that_may_start_again_ends_as_one_that_was_not_killed(
    classification: Path, together: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(classification, run, "--processes", 2, "--restarts", 1)
    kill_a_worker(process, run, rows=9, rank=0)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert "Worker 0 of 2 (counted from 0) was killed by SIGKILL" in said
    assert "restart 1 of 1" in said
    assert (run / "table2.csv").read_bytes() == (together / "table2.csv").read_bytes()
    ours, theirs = weights(run), weights(together)
    assert all(ours[name].tobytes() == value.tobytes() for name, value in theirs.items())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_whatever_ends_the_command_leaves_no_worker_behind(
    classification: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # what is killed leaves its private folder behind
    process = start(classification, tmp_path / "run", "--processes", 2)
    wait_for_rows(tmp_path / "run", 1, process)
    workers = workers_of(process)
    assert sorted(workers) == [0, 1]
    process.send_signal(number)
    process.communicate()
    assert process.returncode == code
    assert psutil.wait_procs(workers.values(), timeout=SECONDS_TO_FAIL)[1] == []


def job(tmp_path: Path, device: str = "cpu") -> Job:
    return Job(["train"], 2, device, tmp_path / "run")


def ended(folder: Path, rank: int, code: str, failure: Failure | None = None) -> Worker:
    """A worker that has ended by running some code, having written a failure before."""
    process = subprocess.Popen([sys.executable, "-c", code])
    process.wait()
    worker = Worker(rank, process, folder / f"worker-{rank}.log", folder / f"failure-{rank}.json")
    worker.log.write_text(f"what {rank} said\n")
    if failure is not None:
        write_json(worker.failure_file, asdict(failure))
    return worker


KILLED, EXITED = "import os; os.kill(os.getpid(), 9)", "import os; os._exit(3)"
FAILED = "raise SystemExit(1)"


@pytest.mark.parametrize(("code", "how"), [(KILLED, "was killed by SIGKILL"), (EXITED, "ended with exit code 3")])
def test_a_worker_that_died_comes_before_what_the_others_say_of_it(tmp_path: Path, code: str, how: str) -> None:
    workers = [ended(tmp_path, 0, FAILED, Failure(1.0, "RuntimeError", None)), ended(tmp_path, 1, code)]
    assert first_failed(workers) is workers[1]
    told = error_of(workers[1], workers, job(tmp_path))
    assert isinstance(told, WorkerFailure)
    assert str(told) == f"Worker 1 of 2 (counted from 0) {how}: see {tmp_path}/run/launch/worker-1.log."
    assert [(tmp_path / "run" / "launch" / f"worker-{rank}.log").read_text() for rank in (0, 1)] == [
        "what 0 said\n",
        "what 1 said\n",
    ]


def test_logs_that_cannot_be_kept_hide_no_failure_and_cost_no_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").write_text("as a full disk, this stands in the way of the logs' folder")
    workers = [ended(tmp_path, 0, "pass"), ended(tmp_path, 1, KILLED)]
    told = error_of(workers[1], workers, job(tmp_path))
    assert isinstance(told, WorkerFailure)
    said = str(told)
    assert said.startswith(
        "Worker 1 of 2 (counted from 0) was killed by SIGKILL; the workers' logs could not be kept: "
    )
    assert str(tmp_path / "run" / "launch") in said and said.endswith(".") and "see" not in said
    starts = []

    def fail_once(one: Job) -> None:
        starts.append("--resume" in one.training_arguments)
        if len(starts) == 1:
            raise error_of(workers[1], workers, one)

    monkeypatch.setattr(launch, "run_workers", fail_once)
    launch.launch(job(tmp_path), restarts=1)
    assert starts == [False, True]
    assert "could not be kept" in caplog.text and "restart 1 of 1" in caplog.text


def test_a_worker_that_cannot_write_why_it_failed_fails_of_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(FAILURE_FILE, str(tmp_path / "file" / "failure.json"))
    with pytest.raises(ConfigError, match="wrong"), running_as_worker():
        raise ConfigError("wrong")


def test_the_earliest_exception_is_the_cause_of_the_others(tmp_path: Path) -> None:
    workers = [
        ended(tmp_path, 0, FAILED, Failure(2.0, "RuntimeError", None)),
        ended(tmp_path, 1, FAILED, Failure(1.5, "MemoryError", None)),
        ended(tmp_path, 2, "pass"),
    ]
    assert first_failed(workers) is workers[1]
    assert "Worker 1 of 2 (counted from 0) failed (MemoryError): see" in str(
        error_of(workers[1], workers, job(tmp_path))
    )


def test_a_refusal_is_passed_on_as_it_is_and_is_no_reason_to_start_again(tmp_path: Path) -> None:
    workers = [
        ended(tmp_path, 0, FAILED, Failure(1.0, "TrainingError", "The loss is nan at step 3: lower it.")),
        ended(tmp_path, 1, FAILED, Failure(1.1, "RuntimeError", None)),
    ]
    told = error_of(first_failed(workers), workers, job(tmp_path))
    assert type(told) is TrainingError
    assert str(told) == "The loss is nan at step 3: lower it."
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConfigError("batch_size is 7: make it even."), "batch_size is 7: make it even."),
        (OSError(28, "No space left on device", "run/log.csv"), "No space left on device (run/log.csv)"),
        (OSError("gloo: connection reset by peer"), None),
        (MemoryError(), None),
    ],
)
def test_a_worker_writes_down_why_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str | None
) -> None:
    monkeypatch.setenv(FAILURE_FILE, str(tmp_path / "failure.json"))
    before = time.monotonic()
    with pytest.raises(type(error)), running_as_worker():
        raise error
    failure = Failure(**json.loads((tmp_path / "failure.json").read_text()))
    assert before <= failure.time <= time.monotonic()
    assert (failure.exception, failure.sentence) == (type(error).__name__, sentence)


def test_what_no_parent_has_started_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError), running_as_worker():
        raise ConfigError("wrong")
    assert list(tmp_path.iterdir()) == []


def test_a_worker_whose_parent_is_gone_ends_at_once() -> None:
    code = "import lung_ssp; print('here')"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for parent, ended in ((gone.pid, (-signal.SIGKILL, "")), (os.getpid(), (0, "here\n"))):
        own = {**os.environ, PARENT: str(parent)}
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY, check=False, env=own)
        assert (done.returncode, done.stdout) == ended


ORPHAN = """
import os, subprocess, sys, time
own = {**os.environ, "LUNG_SSP_PARENT": str(os.getpid())}
code = "import lung_ssp, time; print('tied', flush=True); time.sleep(100)"
child = subprocess.Popen([sys.executable, "-c", code], env=own, stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(100)
"""


def test_a_worker_that_has_loaded_nothing_yet_ends_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
        assert psutil.wait_procs([worker], timeout=SECONDS_TO_FAIL)[1] == []


def test_a_refusal_is_one_sentence_and_nothing_is_started_again(classification: Path, tmp_path: Path) -> None:
    done = train(classification, tmp_path / "run", "--processes", 2, "--restarts", 1, "-o", "batch_size=7")
    assert done.returncode == 2
    assert done.stderr == (
        "lung-ssp train: batch_size is 7, which 2 processes cannot share evenly: make it a multiple of 2, or change "
        "--processes.\n"
    )
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_shared_is_refused_before_any_process_is_started(
    classification: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launch, "run_workers", None)
    words = ["train", "--config", str(classification), "--output", str(tmp_path / "run"), "--processes", "100"]
    assert main(words) == 2
    assert "batch_size is 10, which 100 processes cannot share evenly" in capsys.readouterr().err
    assert main([*words, "-o", "batch_size=wrong"]) == 2
    assert "batch_size" in capsys.readouterr().err


def test_more_processes_than_cores_are_slow_but_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(launch.runtime, "cores", lambda: 1)
    check_devices(job(tmp_path, "cpu"))
    assert caplog.messages == ["--processes is 2, but there are 1 cores: fewer processes would be faster."]


def test_numbers_that_are_lost_end_all_processes_with_one_sentence(classification: Path, tmp_path: Path) -> None:
    rate = ["-o", "lr_scheduler.learning_rate=1.0e30", "-o", "lr_scheduler.end_lr=1.0e30"]
    done = train(classification, tmp_path / "run", "--processes", 2, "--restarts", 1, *rate)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert "at step" in sentence and "train again with a lower lr_scheduler.learning_rate" in sentence
    assert load_checkpoint(tmp_path / "run" / "checkpoints", "latest")[0] == 0


def test_a_refusal_of_the_main_process_alone_is_told_though_the_others_wait_for_it(
    classification: Path, together: Path
) -> None:
    begin = time.monotonic()
    done = train(classification, together, "--processes", 2, "--restarts", 1)
    assert time.monotonic() - begin < 3 * SECONDS_TO_FAIL
    assert done.returncode == 2
    assert done.stderr == (
        f"lung-ssp train: {together} already holds a run: add --resume to go on with it, or name another --output.\n"
    )
    assert not (together / "launch").exists()


def test_more_processes_than_gpus_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddle.device.cuda.device_count", lambda: 1)
    check_devices(job(tmp_path, "cpu"))
    with pytest.raises(EnvironmentProblem, match="Paddle sees 1 GPUs"):
        check_devices(job(tmp_path, "gpu"))


def test_workers_on_a_cpu_share_its_cores_and_see_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(7)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    monkeypatch.setenv("MASTER_ADDR", "another-job")
    endpoints = ["127.0.0.1:5000", "127.0.0.1:5001"]
    own = worker_environment(job(tmp_path, "cpu"), 1, endpoints)
    assert (own["OMP_NUM_THREADS"], own["CUDA_VISIBLE_DEVICES"]) == ("3", "-1")
    assert (own["PADDLE_TRAINER_ID"], own["PADDLE_TRAINERS_NUM"]) == ("1", "2")
    assert (own["PADDLE_MASTER"], own["PADDLE_CURRENT_ENDPOINT"]) == tuple(endpoints)
    assert (own["MASTER_ADDR"], own["MASTER_PORT"]) == ("127.0.0.1", "5000")
    own = worker_environment(job(tmp_path, "gpu"), 1, endpoints)
    assert (own["CUDA_VISIBLE_DEVICES"], own["FLAGS_selected_gpus"]) == ("3,4", "1")


@pytest.mark.parametrize(
    ("processes", "overrides", "words"),
    [(3, ["batch_size=10"], "3 processes cannot share"), (2, TWO_INPUTS, "leave out --processes")],
)
def test_a_training_that_cannot_be_shared_is_refused(
    classification: Path, monkeypatch: pytest.MonkeyPatch, processes: int, overrides: list[str], words: str
) -> None:
    config = load_config(classification, ClassificationSettings, overrides)
    check_processes(config.settings)
    monkeypatch.setattr(distributed, "world_size", lambda: processes)
    with pytest.raises(ConfigError, match=words):
        check_processes(config.settings)


@pytest.mark.parametrize("words", [("--processes", "0"), ("--processes", "two"), ("--restarts", "-1")])
def test_numbers_that_are_none_are_refused(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "--config", "a.yml", "--output", "run", *words])
    assert caught.value.code == 2
    assert f"argument {words[0]}" in capsys.readouterr().err
