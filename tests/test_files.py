"""Atomic writing: the old file or the new one, never half of one."""

import errno
import io
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from lung_ssp import files
from lung_ssp.errors import DamagedFile
from lung_ssp.files import (
    LARGEST_FILE,
    check_npz,
    read_bytes,
    read_json,
    read_npz,
    sha256_of,
    write_atomically,
    write_json,
    write_text,
)
from lung_ssp.formats import ArrayForm


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


UNREADABLE_JSON: dict[str, Callable[[Path], object]] = {
    "deep": lambda path: path.write_text("[" * 200_000),
    "many digits": lambda path: path.write_text("9" * 5_000),
    "NaN": lambda path: path.write_text('{"a": NaN}'),
    "infinity": lambda path: path.write_text("[-Infinity]"),
    "a number beyond all limits": lambda path: path.write_text("[1e999]"),
    "a key twice": lambda path: path.write_text('{"a": 1, "a": 2}'),
    "a NUL": lambda path: path.write_bytes(b'{"a": "\0"}'),
    "half a pair": lambda path: path.write_bytes(b'{"a": "\xed\xa0\x80"}'),
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "too large": lambda path: path.open("wb").truncate(LARGEST_FILE + 1),
}


@pytest.mark.parametrize("damage", UNREADABLE_JSON)
def test_json_beyond_the_limits_is_told_at_once(tmp_path: Path, damage: str) -> None:
    UNREADABLE_JSON[damage](tmp_path / "a.json")
    with pytest.raises(DamagedFile, match=r"a\.json (is damaged|is no ordinary file|has more than 64 MB)"):
        read_json(tmp_path / "a.json")


def test_the_state_of_a_random_generator_is_json(tmp_path: Path) -> None:
    state = np.random.default_rng(3).bit_generator.state
    write_json(tmp_path / "a.json", state)
    assert read_json(tmp_path / "a.json") == state


def test_a_file_of_a_limited_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert read_bytes(tmp_path / "a", 3) == b"abc"
    with pytest.raises(DamagedFile, match=r"/a has more than 2e-06 MB"):
        read_bytes(tmp_path / "a", 2)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "b")


def save(path: Path, header: bytes, content: bytes = b"", compress: int = zipfile.ZIP_DEFLATED) -> None:
    """An archive with an array `one` of any header."""
    padded = header + b" " * (63 - (10 + len(header)) % 64) + b"\n"
    with zipfile.ZipFile(path, "w", compress) as archive, archive.open("one.npy", "w", force_zip64=True) as file:
        file.write(b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded)
        file.write(content)


def header_of(shape: str, kind: str = "<i8") -> bytes:
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()


def encrypted(path: Path) -> None:
    """An archive whose flags say that its member needs a password."""
    np.savez(path, one=np.arange(3))
    content = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + place] |= 1
    path.write_bytes(bytes(content))


LARGE_OR_ODD: dict[str, Callable[[Path], object]] = {
    "5 GB": lambda path: save(path, header_of("(5000000000,)", "|u1"), b"\0" * 1000),
    "more than there is": lambda path: save(path, header_of(f"({10**18}, {10**18})")),
    "nothing, very often": lambda path: save(path, header_of(f"({10**12},)", "<U0")),
    "negative": lambda path: save(path, header_of("(-1,)")),
    "nested": lambda path: save(path, b"[" * 5000),
    "no brackets": lambda path: save(path, b"{'descr': ("),
    "no header": lambda path: save(path, b"x"),
    "fewer than declared": lambda path: save(path, header_of("(100,)"), b"\0" * 8),
    "objects": lambda path: save(path, header_of("(1,)", "|O"), b"\0" * 8),
    "a pipe": lambda path: os.mkfifo(path),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "encrypted": encrypted,
}


@pytest.mark.parametrize("what", LARGE_OR_ODD)
def test_an_npz_file_that_declares_too_much_is_refused_before_memory_is_taken(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.npz"
    LARGE_OR_ODD[what](path)
    with pytest.raises(DamagedFile, match=r"a\.npz cannot be read \(.*\): prepare it again\.$") as caught:
        read_npz(path, ["one"], "prepare it again")
    assert len(str(caught.value)) < 400 + len(str(path))


METHODS = {"bzip2": zipfile.ZIP_BZIP2, "LZMA": zipfile.ZIP_LZMA}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["one.npy", "other.npy"])
def test_an_archive_packed_by_a_method_without_bounds_is_refused_unread(tmp_path: Path, method: str, name: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **{key: np.zeros(3) for key in {"one", "other"} - {name.removesuffix(".npy")}})
    content = io.BytesIO()
    np.save(content, np.zeros(1 << 22))
    with zipfile.ZipFile(path, "a", METHODS[method]) as archive:
        archive.writestr(name, content.getvalue())
    del content
    told = rf"a\.npz cannot be read \({name} is packed by another method than numpy's.*\): prepare it again"
    for read in (
        lambda: read_npz(path, ["one"], "prepare it again"),
        lambda: check_npz(path, {"one": ArrayForm("f", 1)}, "prepare it again"),
    ):
        assert peak_of(read, told) < 4_000_000


def peak_of(read: Callable[[], object], told: str) -> int:
    """The most bytes that a reader takes, which has to refuse."""
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFile, match=told):
            read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("version", [2, 3])
def test_the_description_of_an_array_is_not_read_beyond_its_limit(tmp_path: Path, version: int) -> None:
    path, length = tmp_path / "a.npz", 50_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.npy", b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<I", length) + b" " * length)
    told = r"a\.npz cannot be read \(one is described in 50,000,000 bytes, .*10,000.*\)"
    assert peak_of(lambda: read_npz(path, ["one"]), told) < 4_000_000


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_arrays_of_every_version_are_read(tmp_path: Path, version: tuple[int, int]) -> None:
    array = np.arange(6.0).reshape(2, 3)
    content = io.BytesIO()
    np.lib.format.write_array(content, array, version)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("one.npy", content.getvalue())
    np.testing.assert_array_equal(read_npz(tmp_path / "a.npz", {"one": ArrayForm("f", shape=(2, 3))})["one"], array)


def test_what_is_read_is_the_array_that_was_checked(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.save(content, np.full(3, 7))
    np.savez(tmp_path / "a.npz", one=np.zeros(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("one", content.getvalue())  # numpy prefers it to one.npy
    assert read_npz(tmp_path / "a.npz", {"one": ArrayForm("f", 1)})["one"].tolist() == [0, 0, 0]


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked_to_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGEST_ARRAYS", 20_000_000)
    np.savez(tmp_path / "a.npz", one=np.zeros(3))
    check_npz(tmp_path / "a.npz", {"one": ArrayForm("f", 1)}, "prepare it again")
    with zipfile.ZipFile(tmp_path / "a.npz", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more.npy", bytes(21_000_000))
    with pytest.raises(DamagedFile, match=r"it unpacks to more than 0\.0 GB\): prepare it again"):
        check_npz(tmp_path / "a.npz", {"one": ArrayForm("f", 1)}, "prepare it again")


FORMS = {
    "whole numbers": (np.zeros((2, 3), np.uint8), ArrayForm("iu", 2), ""),
    "truth values": (np.zeros((2, 3), bool), ArrayForm("b", shape=(2, 3)), ""),
    "text instead": (np.array(["a"]), ArrayForm("iu", 1), "one holds text, not whole numbers"),
    "decimals instead": (
        np.zeros(2),
        ArrayForm("ib", 1),
        "one holds decimal numbers, not whole numbers or truth values",
    ),
    "complex": (np.zeros(2, complex), ArrayForm("f", 1), "one holds other values, not decimal numbers"),
    "other axes": (np.zeros((2, 3)), ArrayForm("f", 1), "one has 2 axes, not 1"),
    "another shape": (np.zeros((2, 3)), ArrayForm("f", shape=(3, 2)), r"one has the shape \(2, 3\), not \(3, 2\)"),
}


@pytest.mark.parametrize("what", FORMS)
def test_an_array_of_another_form_is_told(tmp_path: Path, what: str) -> None:
    array, form, message = FORMS[what]
    np.savez(tmp_path / "a.npz", one=array, two=np.zeros(3))
    if message:
        with pytest.raises(DamagedFile, match=message):
            read_npz(tmp_path / "a.npz", {"one": form})
    else:
        assert read_npz(tmp_path / "a.npz", {"one": form})["one"].shape == (2, 3)
