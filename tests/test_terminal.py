"""What reaches the terminal: one visible sentence for whatever a user names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lung_ssp.cli import app, main
from lung_ssp.cli.command import Command
from lung_ssp.visible import visible

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe 5 µm, 肺, e\u0301", "Größe 5 µm, 肺, e\u0301"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("back\rspace\x08\x7f", "back\\rspace\\x08\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udce9.dcm", "\\udce9.dcm"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_a_text_holds_it_can_be_printed_and_does_nothing(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in shown)
    assert visible(shown) == shown


@pytest.mark.parametrize(
    "words",
    [
        ["eval", "no\x1b[31mrun"],
        ["train", "--config", "no\x1b[31mfile", "--output", "x"],
        ["train", "--config", "classification/smoke.yml", "--output", "x", "-o", "no\x1b[31mkey=1"],
        ["eval", "run", "--no\x1b[31moption"],
    ],
)
def test_no_sentence_lets_an_escape_sequence_through(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        assert main(words) == 2
    except SystemExit as error:  # of the parser
        assert error.code == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and "[31m" in said


@pytest.mark.parametrize(
    "words",
    [
        ["eval", "run\0"],
        ["export", "\0"],
        ["train", "--config", "a\0.yml", "--output", "x"],
        ["train", "--config", "classification/smoke.yml", "--output", "x\0"],
        ["train", "--config", "classification/smoke.yml", "--output", "x", "-o", "train_dataset.dataset_root=a\0"],
        ["diagnose", "a\0", "--segmentation", "x", "--classification", "y", "--out", "z"],
    ],
)
def test_a_nul_byte_is_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "holds a NUL byte, which no path can: take it out." in sentence


def a_fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


@pytest.mark.parametrize("which", ["long", "deep", "zero", "fifo", "file"])
@pytest.mark.parametrize("command", ["eval", "export", "train to", "train from"])
def test_a_path_that_cannot_be_a_run_or_a_configuration_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], which: str, command: str
) -> None:
    path = {
        "long": lambda: Path("a" * 300),
        "deep": lambda: Path("a/" * 3000),
        "zero": lambda: Path("/dev/zero"),
        "fifo": lambda: a_fifo(tmp_path),
        "file": lambda: Path(__file__),
    }[which]()
    # the cohort is not there either, so that a good path for a run would not be made
    words = {
        "eval": ["eval", path],
        "export": ["export", path],
        "train to": ["train", "--config", "classification/smoke.yml", "--output", path],
        "train from": ["train", "--config", path, "--output", tmp_path / "run"],
    }[command]
    assert main([str(word) for word in words]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith(f"lung-ssp {words[0]}: ")
    assert not (tmp_path / "run").exists()


def ending(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def run(arguments: object) -> None:
        raise error

    command = Command("export", run, lambda parser: None)
    monkeypatch.setattr(app, "COMMANDS", (command,))
    return main(["export"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "The memory is used up"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (ValueError("embedded null byte"), "NUL byte"),
        (ValueError("embedded null character in path"), "NUL byte"),
    ],
)
def test_what_the_machine_refuses_is_a_sentence(
    error: BaseException, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(error, monkeypatch) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("words", ["x.so: failed to map segment from shared object", "libc: cannot allocate memory"])
def test_a_library_for_which_there_is_no_memory_is_told(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(ImportError(words), monkeypatch) == 2
    assert "The memory is used up: end other programs" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError("no number"), KeyError("a"), ImportError("no module")])
def test_an_unexpected_error_keeps_its_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(type(error)):
        ending(error, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["/dev/full", "a closed pipe"])
def test_an_output_that_takes_nothing_is_told_once(place: str) -> None:
    code = (
        "import sys; from lung_ssp.cli import app; from lung_ssp.cli.command import Command\n"
        "from lung_ssp.cli.terminal import say\n"
        "app.COMMANDS = (Command('export', lambda arguments: say('done'), lambda parser: None),)\n"
        "sys.exit(app.main(['export']))\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full if place == "/dev/full" else writing,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            check=False,
        )
    os.close(writing)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    what = "No space left on device" if place == "/dev/full" else "Broken pipe"
    assert sentence == f"lung-ssp export: {what} (standard output)"


def with_streams(folder: Path, words: list[str], how: str) -> "subprocess.CompletedProcess[bytes]":
    """A command of the program, started by a shell with its streams closed or redirected as `how` says."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {how}', "sh", sys.executable, "-m", "lung_ssp.cli", *words],
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=False,
    )


REFUSED = b": No space left on device (standard output)\n"
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")


@pytest.mark.slow
@pytest.mark.parametrize("how", [">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(tiny_cohort: Path, tmp_path: Path, how: str) -> None:
    """Python has None in place of a closed stream, and the system gives its number to the next file."""
    done = with_streams(tmp_path, ["prepare", "verify", str(tiny_cohort)], how)
    assert (done.returncode, done.stderr) == (0, b"")
    failed = with_streams(tmp_path, ["eval", "nothing"], how)
    assert failed.returncode == 2
    assert failed.stderr.count(b"\n") == (0 if "2>" in how else 1)


@FULL
@pytest.mark.slow
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("words", "how", "told"),
    [
        (
            ["prepare", "verify", "{cohort}"],
            ">/dev/full",
            b"lung-ssp prepare" + REFUSED,
        ),
        (["--help"], ">/dev/full", b"lung-ssp" + REFUSED),
        (["eval", "nothing"], "2>/dev/full", b""),
        (["eval", "nothing"], ">/dev/full 2>/dev/full", b""),
    ],
)
def test_an_output_that_is_full_is_told_if_it_can_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    how: str,
    told: bytes,
    unbuffered: str,
    tiny_cohort: Path,
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    done = with_streams(tmp_path, [word.format(cohort=tiny_cohort) for word in words], how)
    assert (done.returncode, done.stderr) == (2, told)


@pytest.mark.slow
def test_a_working_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    script = 'rmdir "$0" && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, folder, sys.executable, "-m", "lung_ssp.cli", "environment"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "lung-ssp environment: The working folder has been removed: change to another one."
    )
