"""Atomic writing: the old file or the new one, never half of one."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from lung_ssp.errors import DamagedFile, LungSspError
from lung_ssp.files import (
    LOCK,
    alone_in,
    check_empty,
    leftovers,
    read_json,
    read_npz,
    refuse_links,
    sha256_of,
    write_atomically,
    write_json,
    write_text,
)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(file: IO[bytes]) -> None:
        file.write(b"half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_files_mode_is_what_the_umask_leaves(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode


def test_a_full_disk_names_the_file_that_was_to_be_written(tmp_path: Path) -> None:
    def full(file: IO[bytes]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(tmp_path / "a.npz", full)
    assert caught.value.filename == str(tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_of_the_system_names_the_file_and_not_its_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for path in (tmp_path / "a", tmp_path / ("b" * 250)):
        with pytest.raises(OSError, match=r"directory|too long") as caught:
            write_text(path, "text")
        assert (caught.value.filename, caught.value.filename2) == (str(path), None)


def test_a_link_is_replaced_and_what_it_points_to_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    (tmp_path / "a.txt").symlink_to(mine)
    write_text(tmp_path / "a.txt", "new")
    assert mine.read_text() == "mine"
    assert (tmp_path / "a.txt").read_text() == "new" and not (tmp_path / "a.txt").is_symlink()


KILLED_IN_A_WRITE = """
import os, sys
from pathlib import Path
from lung_ssp.files import write_atomically
write_atomically(Path(sys.argv[1]), lambda file: os.kill(os.getpid(), 9))
"""


def test_what_a_killed_process_left_is_known_and_no_other_file_is(tmp_path: Path) -> None:
    mine = (".gitignore", ".a.json.bak", ".a.json.original", ".a.json.0123abcde", "a.json.0123abcd", ".0123abcd")
    for name in mine:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".folder.0123abcd").mkdir()
    (tmp_path / ".link.0123abcd").symlink_to(tmp_path / ".gitignore")
    before = {path.name for path in tmp_path.iterdir()}
    subprocess.run([sys.executable, "-c", KILLED_IN_A_WRITE, tmp_path / "a.json"], check=False)
    (left,) = leftovers(tmp_path)
    assert left.name.startswith(".a.json.") and left.name not in before
    with alone_in(tmp_path):
        assert leftovers(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_folder_with_a_lock_and_half_a_file_alone_is_empty(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_IN_A_WRITE, tmp_path / "a.json"], check=False)
    (tmp_path / LOCK).touch()
    check_empty(tmp_path)
    (tmp_path / ".mine").touch()
    with pytest.raises(LungSspError, match="not an empty folder"):
        check_empty(tmp_path)


WAITING = """
import sys, time
from pathlib import Path
from lung_ssp.files import alone_in
with alone_in(Path(sys.argv[1])):
    print("alone", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_and_a_killed_one_frees_the_folder_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with subprocess.Popen([sys.executable, "-c", WAITING, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "alone\n"
        told = f"Another process works in {folder}: wait for it, or end it"
        with pytest.raises(LungSspError, match=told), alone_in(folder):
            pass
        process.kill()
        process.wait()
        assert (folder / LOCK).is_file()
        with alone_in(folder), pytest.raises(LungSspError, match="Another process works"), alone_in(folder):
            pass
    assert list(folder.iterdir()) == []


def test_a_folder_that_was_made_for_nothing_is_removed_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for name in ("old", "new", "used"):
        with pytest.raises(KeyError), alone_in(tmp_path / name):
            if name == "used":
                write_text(tmp_path / name / "a", "a")
            raise KeyError
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["old", "used", "used/a"]


def test_a_lock_that_is_a_link_is_refused_and_a_users_own_file_of_its_name_stays(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / LOCK).symlink_to(mine)
    with pytest.raises(LungSspError, match=r"one/\.lock is a symbolic link"), alone_in(tmp_path / "one"):
        pass
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / LOCK).write_text("mine")
    with alone_in(tmp_path / "two"):
        pass
    assert mine.read_text() == (tmp_path / "two" / LOCK).read_text() == "mine"


def test_links_are_refused_by_name_wherever_they_point(tmp_path: Path) -> None:
    (tmp_path / "figures").symlink_to(tmp_path / "nowhere")
    refuse_links(tmp_path, ["checkpoints", "visualdl/log"])
    with pytest.raises(LungSspError, match=r"figures is a symbolic link, .* remove the link"):
        refuse_links(tmp_path, ["checkpoints", "figures"])


def test_text_and_json_come_back_and_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "a.txt", "Größe\n")
    assert (tmp_path / "new" / "a.txt").read_text(encoding="utf-8") == "Größe\n"
    write_json(tmp_path / "a.json", {"b": [1, 0.1]})
    assert read_json(tmp_path / "a.json") == {"b": [1, 0.1]}


def test_json_refuses_what_json_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"b": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_json_that_is_damaged_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"a\.json is damaged"):
        read_json(tmp_path / "a.json")


def test_the_named_arrays_of_an_npz_file_are_read_or_all(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", one=np.arange(3), two=np.array("text"))
    assert list(read_npz(tmp_path / "a.npz", ["one"])) == ["one"]
    arrays = read_npz(tmp_path / "a.npz")
    assert arrays["one"].tolist() == [0, 1, 2]
    assert str(arrays["two"]) == "text"


def damaged_archive(path: Path) -> None:
    np.savez_compressed(path, one=np.arange(1000))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


DAMAGED_ARCHIVES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "no archive": lambda path: path.write_bytes(b"not an archive"),
    "a folder": lambda path: path.mkdir(),
    "cut off": lambda path: path.write_bytes(b"PK\x03\x04 no archive"),
    "changed": damaged_archive,
    "pickled": lambda path: np.savez(path, one=np.array([{}], dtype=object)),
    "another array": lambda path: np.savez(path, two=np.zeros(2)),
    "a single array": lambda path: np.save(path.open("wb"), np.zeros(2)),
}


@pytest.mark.parametrize("damage", DAMAGED_ARCHIVES)
def test_a_damaged_npz_file_is_named_with_what_to_do(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npz"
    DAMAGED_ARCHIVES[damage](path)
    with pytest.raises(DamagedFile, match=r"a\.npz cannot be read \(.*\): prepare it again\.$"):
        read_npz(path, ["one"], "prepare it again")
