"""Ctrl-C and SIGTERM, wherever they come: words and an exit code, no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lung_ssp import interruption
from lung_ssp.cli import main
from lung_ssp.interruption import Terminated, ending_by_exception, is_interruption, is_program
from lung_ssp.runtime import require_libraries

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPT = Path(sys.executable).with_name("lung-ssp")
PROGRAMS = {
    "module": [sys.executable, "-m", "lung_ssp.cli", "environment"],
    "console script": [str(SCRIPT), "environment"],
    "tool": [sys.executable, str(REPOSITORY / "tools" / "environment.py")],
}
# Sends this process a signal when a module is imported: Python runs it before anything else.
CUSTOMIZE = """
import os, sys

class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["SIGNAL_AT"]:
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))

sys.meta_path.insert(0, Signalling())
"""
AT = ("lung_ssp.runtime", "lung_ssp.cli.app", "pandas", "numpy.core", "cv2", "paddle", "paddle.base", "paddle.vision")


def signalled(program: list[str], number: int, at: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(CUSTOMIZE)
    own = {"PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}", "SIGNAL_AT": at, "SIGNAL": str(number)}
    return subprocess.run(program, capture_output=True, text=True, cwd=folder, check=False, env={**os.environ, **own})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "words"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
@pytest.mark.parametrize("at", AT)
def test_a_signal_while_something_is_loaded(tmp_path: Path, number: int, code: int, words: str, at: str) -> None:
    done = signalled(PROGRAMS["module"], number, at, tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr in (f"lung-ssp: {words}\n", f"lung-ssp environment: {words}\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_way_to_start_the_program(tmp_path: Path, name: str) -> None:
    if name == "console script" and not SCRIPT.is_file():
        pytest.skip("the package is not installed with its script")
    done = signalled(PROGRAMS[name], signal.SIGINT, "pandas", tmp_path)
    assert (done.returncode, done.stderr) == (130, "lung-ssp: interrupted\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "words"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_while_paddle_computes(tmp_path: Path, number: int, code: int, words: str) -> None:
    """Paddle's own handler of SIGTERM prints a C++ trace, and may wait for ever."""
    code_of_it = (
        "import os, threading, sys, time; sys.orig_argv = ['python', '-m', 'lung_ssp.cli']\n"
        "from lung_ssp.cli import app, environment\n"
        "from lung_ssp import runtime\n"
        "def computing(*_):\n"
        "    import paddle\n"
        f"    threading.Timer(0.5, os.kill, (os.getpid(), {int(number)})).start()\n"
        "    x = paddle.ones([400, 400])\n"
        "    while True: x = (x @ x).clip(0, 1)\n"
        "runtime.environment = computing\n"
        "sys.exit(app.main(['environment']))\n"
    )
    own = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code_of_it], capture_output=True, text=True, env=own, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (code, f"lung-ssp environment: {words}\n")
    assert time.monotonic() - begin < 60


def test_a_test_or_notebook_is_not_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_program()
    for words, argv, answer in (
        (["python", "-m", "lung_ssp.cli", "train"], ["-m"], True),
        (["python", "-m", "pytest", "lung_ssp.cli"], ["-m"], False),
        (["python", "/usr/bin/lung-ssp", "train"], ["/usr/bin/lung-ssp"], True),
        (["python", "tools/train.py"], [str(REPOSITORY / "tools" / "train.py")], True),
        (["python", "train.py"], ["train.py"], False),
        (["python"], [""], False),
    ):
        monkeypatch.setattr(sys, "orig_argv", words)
        monkeypatch.setattr(sys, "argv", argv)
        assert is_program() is answer, words


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_is_an_exception_that_cleans_up(number: signal.Signals, error: type[BaseException]) -> None:
    before = [signal.getsignal(one) for one in interruption.WORDS]
    with pytest.raises(error), ending_by_exception():
        os.kill(os.getpid(), number)
        time.sleep(10)
    assert [signal.getsignal(one) for one in interruption.WORDS] == before
    assert Terminated().code == 143


def test_a_forked_worker_ends_by_the_signal_itself() -> None:
    with ending_by_exception():
        if (child := os.fork()) == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(1)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ending_by_exception():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def wrapped() -> ImportError:
    """What a library makes of Ctrl-C within its import."""
    try:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as cause:
            raise RuntimeError("core failed") from cause
    except RuntimeError as error:
        outer = ImportError("cannot import core")
        outer.__context__ = error
        return outer


def test_an_interruption_that_became_an_import_error_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert is_interruption(wrapped()) and not is_interruption(ImportError("no core"))

    def interrupted(name: str) -> None:
        raise wrapped()

    monkeypatch.setattr("importlib.import_module", interrupted)
    with pytest.raises(KeyboardInterrupt):
        require_libraries("paddle")
    assert main(["environment"]) == 130
    assert capsys.readouterr().err == "lung-ssp environment: interrupted\n"


@pytest.mark.parametrize("value", ["0", "-1", "1000000000", "99999", "four", "", "1.5", "4,2", "٤", " 2"])
def test_a_number_of_threads_that_is_none_is_told_before_paddle_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.setattr("importlib.import_module", None)
    assert main(["environment"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f"lung-ssp environment: OMP_NUM_THREADS is {value!r}, expected a number of threads from 1 to"
    )
    assert len(said.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_work_changes_nothing(tmp_path: Path, number: int) -> None:
    """Python takes its handlers away before it takes its modules apart."""
    late = (
        "import os, sys\n"
        "class Late:\n"
        f"    def __del__(self, kill=os.kill, pid=os.getpid()): kill(pid, {int(number)})\n"
        "sys.modules['late'] = Late()\n"
    )
    (tmp_path / "sitecustomize.py").write_text(late)
    own = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"}
    words = [sys.executable, "-m", "lung_ssp.cli", "eval", "nothing"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=own, check=False)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
