"""A command killed at any of its writes can be started again, and ends as one that was never killed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

from lung_ssp.cohort.phantom.settings import ClassCounts
from lung_ssp.cohort.store import SPLITS
from lung_ssp.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("killed_at.py")
LATER = 31  # after a training's first checkpoint every so many writes are tried: no divisor of those of a step
SOME = 4  # of an evaluation and an export every so many
FEW = 7  # of a preparation and a diagnosis
Run = Callable[[str, dict[str, object], int], str]


@pytest.fixture(scope="module")
def in_child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a command that is killed before its k-th write (0: not at all); how it ended."""
    folder = tmp_path_factory.getbasetemp()
    with subprocess.Popen(
        [sys.executable, SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as process:
        assert process.stdin is not None and process.stdout is not None

        def run(command: str, words: dict[str, object], until: int) -> str:
            process.stdin.write(json.dumps([command, words, until], default=str) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


def training_of(config: Path, run: Path, resume: bool) -> dict[str, object]:
    return {"config": config, "output": run, "overrides": ["checkpoint.every=2"], "resume": resume}


@pytest.fixture(scope="module")
def straight(noise_configs: dict[str, Path], in_child: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    run = tmp_path_factory.mktemp("straight") / "run"
    assert in_child("train", training_of(noise_configs["classification"], run, False), 0).isdecimal()
    return run


def assert_same_training(run: Path, straight: Path) -> None:
    assert (run / "table2.csv").read_bytes() == (straight / "table2.csv").read_bytes()
    assert {path.name for path in run.iterdir()} == {path.name for path in straight.iterdir()}
    names = {path.name for path in (run / "checkpoints").iterdir()}
    assert names == {path.name for path in (straight / "checkpoints").iterdir()}
    for name in ("latest", "best"):
        ours, theirs = (load_checkpoint(one / "checkpoints", name) for one in (run, straight))
        assert ours[0] == theirs[0]
        assert all(np.array_equal(ours[1][key], value) for key, value in theirs[1].items())
    sizes = [(one / "visualdl" / "vdlrecords.run.log").stat().st_size for one in (run, straight)]
    assert sizes[0] == sizes[1]


def test_a_training_killed_at_any_write_goes_on(
    noise_configs: dict[str, Path], straight: Path, in_child: Run, tmp_path: Path
) -> None:
    config, refused = noise_configs["classification"], []
    until = 1
    while True:
        run = tmp_path / str(until)
        ended = in_child("train", training_of(config, run, False), until)
        begun = (run / "checkpoints" / "latest.json").is_file()
        said = in_child("train", training_of(config, run, begun), 0)
        if not said.isdecimal():
            refused.append((until, said))
            continue
        assert_same_training(run, straight)
        shutil.rmtree(run)
        if ended != "killed":
            break
        until += LATER if begun else 1
    assert refused == []
    assert until > 200


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_an_evaluation_or_export_killed_at_any_write_is_made_anew(
    straight: Path, in_child: Run, tmp_path: Path, command: str
) -> None:
    whole = shutil.copytree(straight, tmp_path / "whole")
    count = in_child(command, {"run": whole}, 0)
    if command == "export" and not count.isdecimal():
        pytest.skip(count)
    folder = {"evaluate": ".", "export": "export"}[command]
    expected = {path.relative_to(whole): path.read_bytes() for path in (whole / folder).glob("*.*") if path.is_file()}
    for until in range(1, int(count) + 1, SOME):
        run = shutil.copytree(straight, tmp_path / str(until))
        assert in_child(command, {"run": run}, until) == "killed"
        assert in_child(command, {"run": run}, 0).isdecimal()
        assert {path: (run / path).read_bytes() for path in expected} == expected
        files = [{path.relative_to(one) for path in one.rglob("*")} - {Path(".lock")} for one in (run, whole)]
        assert files[0] == files[1]
        shutil.rmtree(run)


def contents(folder: Path) -> dict[str, bytes]:
    """All that a folder holds; of a diagnosis without how long it took."""
    found = {
        path.relative_to(folder).as_posix(): b"" if path.is_dir() else path.read_bytes() for path in folder.rglob("*")
    }
    found.pop(".lock", None)
    if "findings.json" in found:
        tree = json.loads(found["findings.json"])
        del tree["seconds"]
        found["findings.json"] = json.dumps(tree).encode()
    return found


def assert_goes_on(in_child: Run, command: str, words: dict[str, object], made: Path, moments: Sequence[int]) -> None:
    """Kill a command at some of its writes, start it again, and compare what it made with what it makes undisturbed."""
    count = in_child(command, words, 0)
    assert count.isdecimal(), count
    whole = contents(made)
    for until in (moment for moment in moments if moment < int(count)):  # the last one removes the lock
        shutil.rmtree(made)
        assert in_child(command, words, until) == "killed"
        said = in_child(command, words, 0)
        assert said.isdecimal(), (until, said)
        assert contents(made) == whole, until


@pytest.fixture(scope="module")
def phantom_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of a cohort of few sections, one scan and a simulated NLST."""
    none = dict.fromkeys(ClassCounts.model_fields, 0)
    counts = {split: {**none, "normal": 1, "adenocarcinoma": 1} for split in SPLITS}
    scans = {"patients": [1, 0, 0], "lesions": {**none, "adenocarcinoma": 1}, "size": 96, "slices": [30, 40]}
    tree = {
        "_base_": str(REPOSITORY / "configs" / "cohort" / "phantom.yml"),
        "cohort": {
            "simulated_nlst": True,
            "phantom": {"sections": {"counts": counts}, "scans": {**scans, "slice_mm": [8.0, 9.0]}},
        },
    }
    path = tmp_path_factory.mktemp("phantom") / "phantom.yml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_a_preparation_killed_at_any_write_goes_on(in_child: Run, phantom_config: Path, tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    words = {"config": phantom_config, "overrides": [f"cohort.root={root}"]}
    assert_goes_on(in_child, "prepare", words, root, range(1, 1000, 6 * FEW))


def test_a_preparation_of_a_manifest_killed_at_any_write_goes_on(
    in_child: Run, make_small_scans: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_small_scans(tmp_path / "source", [1, 0, 0], {"normal": 1, "adenocarcinoma": 0})
    scan = next((source / "scans").glob("*.npz"))
    x, y, z = np.load(scan)["centres_mm"][0]
    rows = ["patient,split,series,x_mm,y_mm,z_mm,diameter_mm,image_label,pathology_label"]
    rows += [f"{name},{name},source/scans/{scan.stem},{x},{y},{z},12,0,1" for name in SPLITS]
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    root = tmp_path / "cohort"
    overrides = [f"cohort.manifest={tmp_path / 'manifest.csv'}", f"cohort.root={root}"]
    config = REPOSITORY / "configs" / "cohort" / "manifest.yml"
    assert_goes_on(in_child, "prepare", {"config": config, "overrides": overrides}, root, range(1, 100, FEW))


def test_a_diagnosis_killed_at_any_write_is_completed(
    in_child: Run, runs: tuple[Path, Path], series: Path, tmp_path: Path
) -> None:
    words = {"source": series, "segmentation": runs[0], "classification": runs[1], "out": tmp_path / "out"}
    overrides = ["nodules.max_candidates=2"]
    assert_goes_on(in_child, "diagnose", {**words, "overrides": overrides}, tmp_path / "out", range(2, 100, FEW))
