"""Locks, leftovers and links: one command alone in its folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from lung_ssp.errors import LungSspError
from lung_ssp.files import (
    write_text,
)
from lung_ssp.folders import LOCK, alone_in, check_empty, leftovers, refuse_links

KILLED_IN_A_WRITE = """
import os, sys
from pathlib import Path
from lung_ssp.files import write_atomically
write_atomically(Path(sys.argv[1]), lambda file: os.kill(os.getpid(), 9))
"""


def test_what_a_killed_process_left_is_known_and_no_other_file_is(tmp_path: Path) -> None:
    mine = (
        *(".gitignore", ".a.json.bak", ".notes.20240131", ".a.json.0123abcd", ".0123abcd.lung-ssp"),
        *("a.json.0123abcd.lung-ssp", ".a.json.0123abcde.lung-ssp", ".a.json.0123ABCD.lung-ssp"),
        *(".a.json.0123abcd.lung-ssp.bak", ".a.json.0123abcd.lung-ssp\n", ".a.json.0123abcd.lung_ssp"),
    )
    for name in mine:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".folder.0123abcd.lung-ssp").mkdir()
    (tmp_path / ".link.0123abcd.lung-ssp").symlink_to(tmp_path / ".gitignore")
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
from lung_ssp.folders import alone_in
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
