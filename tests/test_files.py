"""Atomic writing: the old file or the new one, never half of one."""

from pathlib import Path
from typing import IO

import pytest

from lung_ssp.errors import DamagedFile
from lung_ssp.files import read_json, sha256_of, write_atomically, write_json, write_text


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
