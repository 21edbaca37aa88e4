"""Atomic writing: the old file or the new one, never half of one."""

from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from lung_ssp.errors import DamagedFile
from lung_ssp.files import read_json, read_npz, sha256_of, write_atomically, write_json, write_text


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
