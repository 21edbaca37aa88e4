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


def run_with(engine: Path, folder: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The script with an engine of a few lines of shell."""
    engine.write_text(f'#!/bin/sh\necho "$@" >> "$0.log"\n{script}\n')
    return subprocess.run(
        [SCRIPT, "image:1", folder],
        env={**os.environ, "ENGINE": str(engine), **variables},
        capture_output=True,
        text=True,
    )


def test_a_run_that_fails_is_named_and_the_others_are_made(engine: Path, tmp_path: Path) -> None:
    done = run_with(engine, tmp_path, 'case "$*" in *inference-segmentation-seed1*) exit 2;; esac')
    assert done.returncode == 1
    assert done.stderr == "Not measured: inference-segmentation-seed1.json (exit code 2)\n"
    assert len(engine.with_suffix(".log").read_text().splitlines()) == 12


@pytest.mark.parametrize("code", [125, 127, 130, 143])
def test_an_interruption_and_an_engine_that_does_not_start_end_the_script(
    engine: Path, tmp_path: Path, code: int
) -> None:
    done = run_with(engine, tmp_path, f"exit {code}")
    assert done.returncode == code
    assert len(engine.with_suffix(".log").read_text().splitlines()) == 1
    assert "RESUME=1" in done.stderr
    assert str(tmp_path) in done.stderr


def test_resume_measures_only_what_is_missing(engine: Path, tmp_path: Path) -> None:
    (tmp_path / "training-classification-seed0.json").touch()
    done = run_with(engine, tmp_path, "", RESUME="1")
    assert done.returncode == 0
    asked = engine.with_suffix(".log").read_text()
    assert len(asked.splitlines()) == 11
    assert "training-classification-seed0" not in asked
    assert "training-classification-seed0.json is kept" in done.stdout
    run_with(engine, tmp_path, "")
    assert len(engine.with_suffix(".log").read_text().splitlines()) == 11 + 12
