"""A run reduced to what a diagnosis needs: nothing of the machine, of patients or of the optimizer; the same bytes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.temperature import Temperature, read_temperatures
from lung_ssp.config import load_config
from lung_ssp.errors import CheckpointError, ConfigError
from lung_ssp.training.checkpoint import save_checkpoint
from lung_ssp.training.onnx import exported_bytes
from lung_ssp.training.run import read_best, run_cohort
from lung_ssp.weights.rounding import rounded
from lung_ssp.weights.ship import KINDS, ship, without_folders
from lung_ssp.weights.shipped import SHIPPED, check_shipped


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_shipped_is_read_back_as_the_run(run: Path, tmp_path: Path) -> None:
    network = ship(run, tmp_path / "weights")
    assert network.task == "classification" and network.folder == tmp_path / "weights" / "classification"
    check_shipped(network.folder)
    (best, arrays), (original, expected) = read_best(network.folder), read_best(run)
    assert best == replace(original, fingerprint=best.fingerprint) and arrays.keys() == expected.keys()
    exported = {name: array for name, array in expected.items() if array.tobytes() in exported_bytes(run)}
    assert 0 < len(exported) < len(expected)
    for name, array in expected.items():
        assert np.array_equal(arrays[name], rounded(array) if name in exported else array)
    (wanted,) = (array.tobytes() for array in exported.values())
    (given,) = (arrays[name].tobytes() for name in exported)
    assert wanted != given and exported_bytes(network.folder) == exported_bytes(run).replace(wanted, given)
    assert read_temperatures(network.folder, best.fingerprint) == {"image": Temperature(0.5, 40)}
    settings = [load_config(one / "config.yml", ClassificationSettings).settings for one in (run, network.folder)]
    assert settings[0].model == settings[1].model and settings[0].lr_scheduler == settings[1].lr_scheduler
    then, now = run_cohort(run), run_cohort(network.folder)
    assert (then.name, then.fingerprint, then.statement, then.section, then.class_names, then.counts) == (
        *(now.name, now.fingerprint, now.statement, now.section, now.class_names, now.counts),
    )
    assert network.statement.startswith("LEAKY split") and network.statement == then.statement


def test_nothing_of_patients_of_the_machine_or_of_the_optimizer_is_shipped(run: Path, tmp_path: Path) -> None:
    network = ship(run, tmp_path / "weights")
    files = files_of(network.folder)
    assert set(files) == set(network.files) and network.megabytes == sum(map(len, files.values())) / 1e6
    assert set(files) == {
        *("config.yml", "cohort.json", "calibration.json", "manifest.json"),
        *("checkpoints/best.json", "checkpoints/best-000002.npz"),
        *("export/export.json", "export/network-parts.npz"),
    }
    for word in (b"Quixote", b"Panza", b"somebody", b"/home", b"moment1"):
        assert not any(word in content for content in files.values())
    with np.load(network.folder / "checkpoints" / "best-000002.npz") as arrays:
        assert all(name.startswith("network/") for name in arrays.files)
        assert {arrays[name].dtype for name in arrays.files} == {np.dtype(np.float32)}


def test_the_same_run_gives_the_same_bytes_and_replaces_an_older_one(run: Path, tmp_path: Path) -> None:
    first = files_of(ship(run, tmp_path / "weights").folder)
    (tmp_path / "weights" / "classification" / "checkpoints" / "best-000001.npz").write_bytes(b"older")
    assert files_of(ship(run, tmp_path / "weights").folder) == first


def test_a_number_stands_for_each_folder_of_a_cohort() -> None:
    tree = {
        "train_dataset": {"dataset_root": "/a", "also": [{"dataset_root": "/b", "share": 0.3}]},
        "val_dataset": {"dataset_root": "/a"},
    }
    first, second = "cohort 1 is not shipped", "cohort 2 is not shipped"
    assert without_folders(tree) == {
        "train_dataset": {"dataset_root": first, "also": [{"dataset_root": second, "share": 0.3}]},
        "val_dataset": {"dataset_root": first},
    }


def train_on(run: Path) -> None:
    save_checkpoint(run / "checkpoints", "best", 3, {"network/a": np.ones(2)}, {"score_name": "a", "score": 0.6})


def name_a_place(run: Path) -> None:
    cohort = json.loads((run / "cohort.json").read_text())
    (run / "cohort.json").write_text(json.dumps({**cohort, "name": "/home/somebody/cohort"}))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda run: (run / "config.yml").write_text("task: cooking"), "task is 'cooking'"),
        (lambda run: (run / "config.yml").unlink(), "holds no run"),
        (lambda run: save_checkpoint(run / "checkpoints", "latest", 1, {}, {}), "was trained for 1 of 3 steps: go on"),
        (train_on, "has not been evaluated as it is now: evaluate it first with lung-ssp eval"),
        (lambda run: (run / "evaluation.json").unlink(), "has not been evaluated as it is now"),
        (lambda run: (run / "metrics.json").write_text("{}"), "has not been evaluated as it is now"),
        (lambda run: (run / "calibration.json").unlink(), "has not been evaluated as it is now"),
        (lambda run: (run / "export" / "network.onnx").unlink(), "has not been exported"),
        (lambda run: (run / "export" / "network.onnx").write_bytes(b"other"), "network.onnx is damaged"),
        (name_a_place, "names a place on this machine, '/home/somebody/cohort'"),
    ],
)
def test_a_run_that_is_not_complete_is_refused(
    run: Path, tmp_path: Path, change: Callable[[Path], object], told: str
) -> None:
    change(run)
    with pytest.raises((CheckpointError, ConfigError), match=told) as error:
        ship(run, tmp_path / "weights")
    assert str(run) in str(error.value) and not (tmp_path / "weights").exists()


@pytest.mark.parametrize("task", KINDS)
def test_the_package_s_own_networks_name_no_place_and_no_patient(task: str) -> None:
    folder = SHIPPED / task
    check_shipped(folder)
    text = "".join(path.read_text() for path in folder.rglob("*") if path.suffix in (".json", ".yml"))
    for word in ("/home", "/tmp", "/work", "/root", "LIDC-IDRI-0", "PHANTOM-0"):
        assert word not in text
    assert run_cohort(folder).leaks == ()
    assert yaml.safe_load((folder / "config.yml").read_text())["task"] == task


def test_the_package_s_networks_are_small() -> None:
    sizes = [path.stat().st_size for task in KINDS for path in (SHIPPED / task).rglob("*") if path.is_file()]
    assert sum(sizes) < 10e6
