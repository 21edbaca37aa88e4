"""Both tasks run side by side; what they say is kept, and a failure ends both."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "reproduce.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("reproduce", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    return module


def saying(**codes: list[str]):
    """Commands that run these lines of Python for each task."""
    return lambda task, run, real_nodules: [[sys.executable, "-c", code] for code in codes[task]]


def test_each_task_trains_and_is_then_measured(script: ModuleType) -> None:
    training, evaluation = script.commands("segmentation", Path("out/segmentation"), Path("nodules"))
    assert training[4:] == [
        "train",
        "--config",
        script.CONFIGS["segmentation"],
        "--output",
        "out/segmentation",
        "--resume",
    ]
    assert evaluation[4:] == ["eval", "out/segmentation", "--real-nodules", "nodules"]
    assert script.commands("classification", Path("c"), None)[1][4:] == ["eval", "c", "--table2"]
    assert all((SCRIPT.parents[1] / config).is_file() for config in script.CONFIGS.values())


def test_tasks_overlap_and_say_their_results_without_the_progress(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # each waits for the other's file: one after the other they would wait for ever
    meet = (
        "import pathlib,time\npathlib.Path(r'{0}').touch()\nwhile not pathlib.Path(r'{1}').exists(): time.sleep(0.01)"
    )
    a, b = tmp_path / "a", tmp_path / "b"
    codes = {
        "segmentation": [meet.format(a, b), "print('\\rbar 1%\\rbar 2%\\nDice 0.5')"],
        "classification": [meet.format(b, a), "import os; print('threads', os.environ['OMP_NUM_THREADS'])"],
    }
    monkeypatch.setattr(script, "commands", saying(**codes))
    script.reproduce(tmp_path / "out", None)
    assert capsys.readouterr().out == "\n== segmentation\nDice 0.5\n\n== classification\nthreads 1\n"
    assert "bar 2%" in (tmp_path / "out" / "segmentation.log").read_text()


def test_a_failure_is_told_and_ends_the_other(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = {
        "segmentation": ["import os, time; print(os.getpid(), flush=True); time.sleep(60)"],
        "classification": [
            "import sys, time; time.sleep(1); print('no cohort here', file=sys.stderr); sys.exit(2)",
            "print('never')",
        ],
    }
    monkeypatch.setattr(script, "commands", saying(**codes))
    with pytest.raises(SystemExit) as ended:
        script.reproduce(tmp_path, None)
    assert ended.value.code == 2
    other = int((tmp_path / "segmentation.log").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(other, 0)
    assert "never" not in (tmp_path / "classification.log").read_text()
    assert "classification: no cohort here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("training:  44%|####      | 656/1500 [02:28<01:36,  8.71step/s]", "training: 44%, 01:36 left"),
        ("train sections:   0%|          | 0/6200 [00:00<?, ?section/s]", "train sections: 0%, ? left"),
        ("output/reproduce: 3 of 4", "output/reproduce: 3 of 4"),
    ],
)
def test_the_progress_tells_the_time_left(script: ModuleType, line: str, expected: str) -> None:
    assert script.time_left(line) == expected
