"""A command killed at any of its writes can be started again, and ends as one that was never killed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("killed_at.py")
LATER = 31  # after a training's first checkpoint every so many writes are tried: no divisor of those of a step
SOME = 4  # of an evaluation and an export every so many
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
