"""The command line as its user meets it: real processes, real runs, and real kills."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from visualdl import LogReader

from lung_ssp.cli.train import export_trained
from lung_ssp.cohort.description import CohortDescription, write_cohort
from lung_ssp.cohort.store import SPLITS, Sections, write_sections
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.errors import EnvironmentProblem
from lung_ssp.training.checkpoint import load_checkpoint
from lung_ssp.training.onnx import load_exported

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIG = REPOSITORY / "configs" / "classification" / "table2.yml"
NO_COHORT = [word for name in ("train", "val", "test") for word in ("-o", f"{name}_dataset.dataset_root=none")]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random sections of 16x16 pixels with two labels: enough to run on, nothing to learn."""
    root = tmp_path_factory.mktemp("cohort")
    rng = np.random.default_rng(0)
    for split, count in zip(SPLITS, (60, 20, 20), strict=True):
        images = rng.random((count, 16, 16), dtype=np.float32)
        image, pathology = rng.integers(9, size=(2, count))
        write_sections(
            root,
            split,
            Sections(
                images, {"image": image, "pathology": pathology}, np.array([f"{split}-{i}" for i in range(count)])
            ),
        )
    write_cohort(
        root,
        CohortDescription(
            name="random",
            synthetic=True,
            origin="random numbers",
            fingerprint="abcd",
            key="",
            section=SectionSettings(size=16),
        ),
    )
    return root


@pytest.fixture(scope="module")
def config(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Table 2's protocol, shrunk."""
    path = tmp_path_factory.mktemp("config") / "small.yml"
    tree = {
        "_base_": str(CONFIG),
        "batch_size": 10,
        "epochs": 9,
        **{f"{name}_dataset": {"dataset_root": str(cohort)} for name in ("train", "val", "test")},
        "model": {"image_size": 16, "conv_channels": [4, 4], "fully_connected": 16},
        "checkpoint": {"every": 7, "validate_every": 5},
        "log": {"every": 5, "scalars_every": 3},
    }
    path.write_text(yaml.safe_dump(tree))
    return path


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "lung_ssp.cli", *map(str, words)]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, cwd=REPOSITORY, check=False)


@pytest.fixture(scope="module")
def straight(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    done = run("train", "--config", config, "--output", folder)
    assert done.returncode == 0, done.stderr
    return folder


def kill_when(folder: Path, config: Path, rows: int, delay: float) -> None:
    """Start or resume a training and kill it `delay` seconds after its log has `rows` rows."""
    words = command("train", "--config", config, "--output", folder, "--resume")
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=REPOSITORY) as process:
        log = folder / "table2.csv"
        while not (log.is_file() and log.read_text().count("\n") > rows):
            assert process.poll() is None, "the training ended before it was killed"
            time.sleep(0.002)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)


def tags(folder: Path) -> dict[str, list[int]]:
    """The steps of every VisualDL tag."""
    reader = LogReader(file_path=str(folder / "visualdl" / "vdlrecords.run.log"))
    return {
        f"{kind}/{tag}": [point.id for point in reader.get_data(kind, tag)]
        for kind, names in reader.get_tags().items()
        for tag in names
    }


def test_a_run_killed_at_several_moments_ends_bit_for_bit_as_one_that_was_not(
    straight: Path, config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    for rows, delay in ((0, 0.0), (1, 0.03), (3, 0.0), (6, 0.01)):
        kill_when(folder, config, rows, delay)
    done = run("train", "--config", config, "--output", folder, "--resume")
    assert done.returncode == 0, done.stderr
    assert (folder / "table2.csv").read_bytes() == (straight / "table2.csv").read_bytes()
    for name in ("latest", "best"):
        ours, theirs = (load_checkpoint(one / "checkpoints", name) for one in (folder, straight))
        assert (ours[0], set(ours[1])) == (theirs[0], set(theirs[1]))
        for key, value in theirs[1].items():
            assert ours[1][key].tobytes() == value.tobytes(), key
    assert tags(folder) == tags(straight)
    assert all(len(steps) == len(set(steps)) for steps in tags(folder).values())
    assert len(json.loads((folder / "environment.json").read_text())) == 5


def test_a_trained_run_is_exported_for_its_diagnoses(straight: Path) -> None:
    pytest.importorskip("paddle2onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    assert load_exported(straight) is not None  # which holds the best weights, else it is refused


def test_a_run_that_cannot_be_exported_is_trained_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refused(run: Path) -> None:
        raise EnvironmentProblem(f"{run.name} needs paddle2onnx.")

    monkeypatch.setattr("lung_ssp.runs.export", refused)
    export_trained(tmp_path / "run")
    assert capsys.readouterr().out == "not exported, diagnose runs it by Paddle: run needs paddle2onnx.\n"


def test_the_log_has_the_papers_columns_and_multiples(straight: Path) -> None:
    with (straight / "table2.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "global_step_value",
        "epoch",
        "loss_total_value",
        "accuracy_train_value",
        "accuracy_test_value",
    ]
    for row in rows:
        assert len(row["loss_total_value"].split(".")[1]) == 7
        assert float(row["accuracy_train_value"]) * 20 == pytest.approx(round(float(row["accuracy_train_value"]) * 20))
        assert float(row["accuracy_test_value"]) * 40 == pytest.approx(round(float(row["accuracy_test_value"]) * 40))


def test_the_dashboard_holds_losses_accuracies_alphas_pictures_and_settings(straight: Path) -> None:
    found = tags(straight)
    for tag in (
        "scalar/loss/image",
        "scalar/loss/pathology",
        "scalar/accuracy_test_value",
        "scalar/accuracy_validation_value",
        "scalar/learning_rate",
        "scalar/alphas/pool1/image_from_pathology",
        "histogram/alphas/fc3",
        "image/sections/0",
        "hyper_parameters/hparam",
    ):
        assert found[tag], tag


def test_evaluation_writes_metrics_report_and_figures_that_name_the_cohort(straight: Path) -> None:
    done = run("eval", straight, "--table2")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((straight / "metrics.json").read_text())
    assert metrics["synthetic"] is True
    assert metrics["fingerprint"] == "abcd"
    for question in ("image_against_reader", "image_against_pathology", "pathology_against_pathology"):
        assert metrics["comparisons"][question]["samples"] == 20
        assert 0 <= metrics["comparisons"][question]["accuracy"] <= 1
        assert (straight / "figures" / f"{question}.png").is_file()
    assert (straight / "figures" / "table2.png").is_file()
    for text in (done.stdout, (straight / "metrics.txt").read_text(), (straight / "table2.txt").read_text()):
        assert "SYNTHETIC" in text
        assert "abcd" in text


def test_an_existing_run_is_refused(straight: Path, config: Path) -> None:
    done = run("train", "--config", config, "--output", straight)
    assert done.returncode == 2
    assert "--resume" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "--config", "nowhere.yml", "--output", "x"], "nowhere.yml does not exist"),
        (["train", "--config", CONFIG, "--output", "x", "-o", "model.sharin=1"], "did you mean sharing?"),
        (["train", "--config", CONFIG, "--output", "x", "-o", "test_dataset.dataset_root=none"], "one cohort"),
        (["train", "--config", CONFIG, "--output", "x", *NO_COHORT], "none holds no prepared cohort"),
        (["train", "--config", CONFIG, "--output", "x", "--device", "gpu"], "--device gpu"),
        (["prepare", "--config", CONFIG], "expected phantom or manifest"),
        (["eval", "tests"], "holds no run"),
        (["diagnose", "tests", "--segmentation", "x", "--classification", "y", "--out", "z"], "x holds no run"),
        (
            [
                "diagnose",
                "tests",
                "--segmentation",
                "x",
                "--classification",
                "y",
                "--out",
                "z",
                "--accept",
                "gaps,tlit",
            ],
            "'tlit' cannot be accepted: choose from tilt, gaps, duplicates",
        ),
    ],
)
def test_a_fault_is_one_sentence_and_exit_code_2(words: list[object], sentence: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (REPOSITORY / "x").exists()


def test_a_full_disk_or_a_forbidden_folder_is_told(config: Path) -> None:
    done = run("train", "--config", config, "--output", "/proc/run")
    assert done.returncode == 2
    assert "/proc/run" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["prepare", "train", "eval", "compare", "diagnose", "environment"])
def test_the_tools_are_the_commands(name: str) -> None:
    done = subprocess.run(
        [sys.executable, f"tools/{name}.py", "--help"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )
    assert f"lung-ssp {name}" in done.stdout
