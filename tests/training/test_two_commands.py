"""Two commands on one folder: the second is told before it works; links and files in the way are found as early."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lung_ssp.cli import main
from lung_ssp.diagnosis import diagnoser
from lung_ssp.diagnosis.diagnoser import diagnose_series
from lung_ssp.errors import LungSspError
from lung_ssp.folders import alone_in
from lung_ssp.runs import evaluate, export, train

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def trained(noise_configs: dict[str, Path], tmp_path: Path) -> Path:
    """A classification run."""
    return train(noise_configs["classification"], tmp_path / "run").run


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", [[], ["--resume"], ["--processes", "2"], ["--restarts", "1"]])
def test_a_second_training_is_told(
    noise_configs: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    run = tmp_path / "run"
    with alone_in(run):
        code = main(["train", "--config", str(noise_configs["classification"]), "--output", str(run), *words])
    assert code == 2
    assert capfd.readouterr().err == (f"lung-ssp train: Another process works in {run}: wait for it, or end it.\n")
    assert not run.exists()


@pytest.mark.parametrize("use", [evaluate, export])
def test_a_second_evaluation_or_export_is_told(trained: Path, use: Callable[[Path], object]) -> None:
    before = contents(trained)
    with alone_in(trained), pytest.raises(LungSspError, match=f"Another process works in {trained}"):
        use(trained)
    assert contents(trained) == before


def test_what_has_been_measured_is_read_while_another_process_works(trained: Path) -> None:
    first = evaluate(trained)
    with alone_in(trained):
        assert evaluate(trained) == first


def test_a_second_diagnosis_is_told_before_it_loads_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnoser, "load_diagnoser", None)
    out = tmp_path / "out"
    with alone_in(out), pytest.raises(LungSspError, match=f"Another process works in {out}"):
        diagnose_series(tmp_path, tmp_path, tmp_path, out)
    assert not out.exists()


def test_a_killed_training_is_gone_on_with_at_once(noise_configs: dict[str, Path], tmp_path: Path) -> None:
    run, config = tmp_path / "run", noise_configs["classification"]
    words = ["train", "--config", config, "--output", run, "-o", "epochs=2000", "-o", "checkpoint.every=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lung_ssp.cli", *map(str, words)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=REPOSITORY,
    )
    while not (run / "checkpoints" / "latest.json").is_file():
        assert process.poll() is None
    process.kill()
    process.wait()
    assert (run / ".lock").is_file()
    (run / "config.yml").write_text((run / "config.yml").read_text().replace("epochs: 2000", "epochs: 5"))
    train(config, run, ["checkpoint.every=1"], resume=True)
    assert not (run / ".lock").exists()


PLACES = ("checkpoints", "visualdl", "table2.csv", ".lock", "launch", "figures", "export")


@pytest.mark.parametrize("name", PLACES)
def test_a_link_in_a_run_is_refused_before_anything_is_written(trained: Path, tmp_path: Path, name: str) -> None:
    place, away = trained / name, tmp_path / "away"
    if place.exists():
        place.rename(away)
    elif "." in name:
        away.write_text("mine")
    else:
        away.mkdir()
    place.symlink_to(away)
    before, away_before = contents(trained), contents(tmp_path)
    config = trained / "config.yml"
    for use in (evaluate, export, lambda run: train(config, run, resume=True)):
        with pytest.raises(LungSspError, match=f"{place} is a symbolic link"):
            use(trained)
    assert contents(trained) == before and contents(tmp_path) == away_before


def test_links_in_place_of_files_that_are_replaced_are_replaced(trained: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for name in ("metrics.json", "metrics.txt", "evaluation.json"):
        (trained / name).symlink_to(mine)
    evaluate(trained)
    assert mine.read_text() == "mine"
    assert not any(path.is_symlink() for path in trained.rglob("*"))


@pytest.mark.parametrize("name", ["figures", "export", "checkpoints"])
def test_a_file_in_the_place_of_a_folder_is_told(noise_configs: dict[str, Path], tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    if name == "checkpoints":
        run.mkdir()
        (run / "environment.json").write_text("[]")
    else:
        train(noise_configs["classification"], run)
    (run / name).write_text("mine")
    use = {"figures": evaluate, "export": export}.get(name, lambda run: train(noise_configs["classification"], run))
    with pytest.raises(LungSspError, match=f"{run / name} is a file, where the run has a folder: move it away"):
        use(run)
    assert (run / name).read_text() == "mine"
