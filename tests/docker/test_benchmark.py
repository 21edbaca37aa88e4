"""docker/benchmark.sh, with an engine that only writes down what it was asked."""

import os
import subprocess
from pathlib import Path

import pytest

from lung_ssp.cli import parser

SCRIPT = Path(__file__).resolve().parents[2] / "docker" / "benchmark.sh"
ROOT = SCRIPT.parents[1]


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    path = tmp_path / "engine"
    path.write_text('#!/bin/sh\necho "$@" >> "$0.log"\n')
    path.chmod(0o755)
    return path


def asked(engine: Path, folder: Path, **variables: str) -> list[list[str]]:
    """The words of every run that the script asks of the engine."""
    subprocess.run(
        [SCRIPT, "image:1", folder], env={**os.environ, "ENGINE": str(engine), **variables}, check=True, cwd=ROOT
    )
    return [line.split() for line in engine.with_suffix(".log").read_text().splitlines()]


def test_each_task_and_phase_is_measured_with_three_seeds_into_a_file_of_its_own(engine: Path, tmp_path: Path) -> None:
    runs = asked(engine, tmp_path / "results", OPTIONS="--repeats 5")
    commands = [parser().parse_args(words[words.index("image:1") + 1 :]) for words in runs]
    assert {(one.step, Path(one.config).parent.name, *one.override) for one in commands} == {
        (phase, task, f"seed={seed}")
        for phase in ("training", "inference")
        for task in ("classification", "segmentation")
        for seed in range(3)
    }
    assert len({one.json for one in commands}) == len(commands) == 12
    assert {(one.device, one.repeats) for one in commands} == {("gpu", 5)}
    assert all((ROOT / one.config).is_file() for one in commands)
    for words in runs:
        assert "--gpus all" in " ".join(words)
        assert f"{tmp_path}/results:/lung_ssp/output" in words
    assert (tmp_path / "results").is_dir()


def test_a_cpu_needs_no_gpu_of_the_engine(engine: Path, tmp_path: Path) -> None:
    runs = asked(engine, tmp_path, DEVICE="cpu", ENGINE_OPTIONS="")
    assert not any("--gpus" in words for words in runs)
    assert all(words[words.index("--device") + 1] == "cpu" for words in runs)


def test_a_run_that_fails_ends_the_script(engine: Path, tmp_path: Path) -> None:
    engine.write_text("#!/bin/sh\nexit 2\n")
    done = subprocess.run([SCRIPT, "image:1", tmp_path], env={**os.environ, "ENGINE": str(engine)}, check=False)
    assert done.returncode == 2
