"""Trainings in two processes as their user meets them: they equal those in one, and a kill does not spoil them."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from lung_ssp.classification.build import build_classification
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.cli import main
from lung_ssp.cohort.description import CohortDescription, write_cohort
from lung_ssp.cohort.store import SPLITS, Sections, write_sections
from lung_ssp.config import load_config
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.errors import ConfigError, EnvironmentFault, TrainingError
from lung_ssp.launch import Console, Job, WorkerFailure, check_devices, ended_by_signals, failure, worker_environment
from lung_ssp.runs import check_processes
from lung_ssp.training import distributed
from lung_ssp.training.checkpoint import load_checkpoint

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIGS = REPOSITORY / "configs"
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
    assert {path.name for path in together.iterdir()} == {path.name for path in alone.iterdir()}


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
        f"lung-ssp train: Worker 1 of 2, counted from 0, was killed by SIGKILL: see {run}/launch/workerlog.1. "
        "Add --resume to go on from the last checkpoint."
    ]
    assert {path.name for path in (run / "launch").iterdir()} == {"workerlog.0", "workerlog.1"}  # no environment

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
    assert "Worker 0 of 2, counted from 0, was killed by SIGKILL" in said
    assert "restart 1 of 1" in said
    assert (run / "table2.csv").read_bytes() == (together / "table2.csv").read_bytes()
    ours, theirs = weights(run), weights(together)
    assert all(ours[name].tobytes() == value.tobytes() for name, value in theirs.items())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
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


def test_a_request_to_end_passes_through_what_ends_the_workers() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught, ended_by_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """What the launcher leaves behind of two workers of which the second has ended with exit code 1."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "workerlog.0").write_text("training\n")
    (folder / "workerlog.1").write_text("Traceback (most recent call last):\nMemoryError\n")
    (folder / "launcher").write_text(
        "LAUNCH INFO Pod failed\nContainer rank 1 status failed cmd ['python'] code 1 log workerlog.1 \n"
        "env {'TOKEN': 'secret'}\nLAUNCH INFO Exit code -15\n"
    )
    return folder


def job(tmp_path: Path, device: str = "cpu") -> Job:
    return Job(["train"], 2, device, tmp_path / "run")


def test_a_worker_that_ended_without_a_word_is_named_and_its_log_kept(logs: Path, tmp_path: Path) -> None:
    told = failure(job(tmp_path), logs)
    assert isinstance(told, WorkerFailure)
    assert str(told) == f"Worker 1 of 2, counted from 0, ended with exit code 1: see {tmp_path}/run/launch/workerlog.1."
    assert (tmp_path / "run" / "launch" / "workerlog.1").read_text().endswith("MemoryError\n")
    assert not any("secret" in path.read_text() for path in (tmp_path / "run").rglob("*") if path.is_file())


def test_a_fault_that_a_worker_told_is_told_as_it_is_and_is_no_reason_to_start_again(
    logs: Path, tmp_path: Path
) -> None:
    (logs / "workerlog.0").write_text("training\nlung-ssp train: The loss is nan at step 3: lower it.\n")
    told = failure(job(tmp_path), logs)
    assert type(told) is TrainingError
    assert str(told) == "The loss is nan at step 3: lower it."
    assert not (tmp_path / "run").exists()


def test_a_launcher_that_failed_itself_is_told_by_its_last_word(logs: Path, tmp_path: Path) -> None:
    (logs / "launcher").write_text("Traceback\nModuleNotFoundError: No module named 'paddle'\n")
    assert "No module named 'paddle'" in str(failure(job(tmp_path), logs))


def test_the_console_passes_on_whole_lines_and_bars_up_to_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "workerlog.0"
    console = Console(log)
    console.pass_on()  # there is no log yet
    bar = "a bar of █\r".encode()
    with log.open("ab", buffering=0) as file:
        for piece in (b"begun\n" + bar[:-2], bar[-2:] + b"do", b"ne\n", b"Traceback (most recent call last):\n", b"\n"):
            file.write(piece)
            console.pass_on()
    assert capsys.readouterr().out == "begun\na bar of █\rdone\n"


def test_more_processes_than_gpus_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddle.device.cuda.device_count", lambda: 1)
    check_devices(job(tmp_path, "cpu"))
    with pytest.raises(EnvironmentFault, match="Paddle sees 1 GPUs"):
        check_devices(job(tmp_path, "gpu"))


def test_workers_on_a_cpu_share_its_cores_and_see_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(7)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    own = worker_environment(job(tmp_path, "cpu"))
    assert (own["OMP_NUM_THREADS"], own["CUDA_VISIBLE_DEVICES"]) == ("3", "-1,-1")
    assert worker_environment(job(tmp_path, "gpu"))["CUDA_VISIBLE_DEVICES"] == "3"


@pytest.mark.parametrize(
    ("processes", "override", "words"),
    [(3, "batch_size=10", "3 processes cannot share"), (2, "model.two_inputs=true", "leave out --processes")],
)
def test_a_training_that_cannot_be_shared_is_refused(
    classification: Path, monkeypatch: pytest.MonkeyPatch, processes: int, override: str, words: str
) -> None:
    config = load_config(classification, ClassificationSettings, [override])
    check_processes(config.settings)
    monkeypatch.setattr(distributed, "world_size", lambda: processes)
    with pytest.raises(ConfigError, match=words):
        check_processes(config.settings)
        build_classification(config)


@pytest.mark.parametrize("words", [("--processes", "0"), ("--processes", "two"), ("--restarts", "-1")])
def test_numbers_that_are_none_are_refused(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "--config", "a.yml", "--output", "run", *words])
    assert caught.value.code == 2
    assert f"argument {words[0]}" in capsys.readouterr().err
