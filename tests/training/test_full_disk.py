"""A full disk at any write: one sentence that names the file, the last checkpoint intact, and the run goes on later."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.files import write_atomically
from lung_ssp.runs import evaluate, export, train
from lung_ssp.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A folder on a disk of its own, of a number of KiB; asked for again, the disk is as large as that then."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def make(size: int) -> Path:
        nonlocal mounted
        how = ["remount,"] if mounted else [""]
        words = ["mount", "-t", "tmpfs", "-o", f"{how[0]}size={size}k", "tmpfs", folder]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no disk may be mounted here: {done.stderr.strip()}")
        mounted = True
        return folder

    yield make
    if mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


def run(*words: object, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lung_ssp.cli", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
        timeout=120,
        preexec_fn=limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))),
    )


def assert_told(done: subprocess.CompletedProcess[str], command: str, inside: Path, what: str) -> None:
    """One sentence at the end, which names a file of the folder; before it the progress bar alone."""
    assert done.returncode == 2, done.stderr
    *_bar, sentence = done.stderr.splitlines()
    assert sentence.startswith(f"lung-ssp {command}: {what} ({inside}/")
    assert not any(word in done.stderr for word in ("Traceback", "Exception", "Warning"))
    assert "Warning" not in done.stdout


@pytest.mark.parametrize("size", [4, 16, 40, 64, 100, 128, 160, 200, 240])
def test_a_training_on_a_disk_that_gets_full_goes_on_when_there_is_room(
    noise_configs: dict[str, Path], disk: Callable[[int], Path], tmp_path: Path, size: int
) -> None:
    config, folder = noise_configs["classification"], disk(size) / "run"
    words = ["train", "--config", config, "--output", folder, "-o", "checkpoint.every=1", "-o", "log.every=1"]
    done = run(*words)
    assert_told(done, "train", folder, "No space left on device")
    disk(10_000)
    begun = (folder / "checkpoints" / "latest.json").is_file()
    if begun:
        load_checkpoint(folder / "checkpoints", "latest")
    train(config, folder, ["checkpoint.every=1", "log.every=1"], resume=begun)
    straight = train(config, tmp_path / "straight", ["checkpoint.every=1", "log.every=1"]).run
    assert (folder / "table2.csv").read_bytes() == (straight / "table2.csv").read_bytes()
    ours, theirs = (load_checkpoint(one / "checkpoints", "latest")[1] for one in (folder, straight))
    assert all(np.array_equal(ours[name], value) for name, value in theirs.items())
    shutil.rmtree(folder)


@pytest.mark.parametrize("limit", [100, 2_000, 40_000])
def test_a_file_that_grows_too_large_is_told(noise_configs: dict[str, Path], tmp_path: Path, limit: int) -> None:
    folder = tmp_path / "run"
    done = run("train", "--config", noise_configs["classification"], "--output", folder, limit=limit)
    assert_told(done, "train", folder, "File too large")


@pytest.mark.parametrize("command", ["eval", "export"])
@pytest.mark.parametrize("room", [0, 8, 40])
def test_an_evaluation_or_export_on_a_full_disk_is_made_later(
    noise_configs: dict[str, Path], disk: Callable[[int], Path], tmp_path: Path, command: str, room: int
) -> None:
    if command == "export":
        pytest.importorskip("paddle2onnx", reason="the extra onnx is not installed")
    trained = train(noise_configs["classification"], tmp_path / "run").run
    folder = disk(10_000) / "run"
    shutil.copytree(trained, folder)
    used = shutil.disk_usage(folder).used // 1024
    disk(used + room)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = run(command, folder)
    if done.returncode == 0:
        assert room == 40 and command == "export"  # it has room
        return
    assert_told(done, command, folder, "No space left on device")
    assert {path: path.read_bytes() for path in before} == before
    disk(10_000)
    {"eval": evaluate, "export": export}[command](folder)


def test_an_archive_given_up_half_way_says_nothing_more(disk: Callable[[int], Path]) -> None:
    path = disk(64) / "a.npz"
    code = (
        "import sys, numpy as np; from pathlib import Path; from lung_ssp.files import write_atomically\n"
        "try: write_atomically(Path(sys.argv[1]), lambda file: np.savez(file, a=np.ones(100_000), b=np.ones(9)))\n"
        "except OSError as error: print(error.strerror, error.filename)\n"
    )
    own = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False, env=own)
    assert (done.stdout, done.stderr) == (f"No space left on device {path}\n", "")
    assert list(path.parent.iterdir()) == []


def test_a_failure_that_a_library_keeps_to_itself_is_raised(disk: Callable[[int], Path]) -> None:
    def careless(file: object) -> None:
        with contextlib.suppress(OSError):
            file.write(bytes(1_000_000))  # type: ignore[attr-defined]

    path = disk(64) / "a.bin"
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(path, careless)
    assert caught.value.filename == str(path)
    assert list(path.parent.iterdir()) == []
