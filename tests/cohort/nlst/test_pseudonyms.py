"""Salted hashes: the same for the same salt, nothing without it."""

import errno
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms, _make_salt, open_pseudonyms
from lung_ssp.errors import CohortError

ONE, OTHER = Pseudonyms(bytes(32)), Pseudonyms(bytes(31) + b"\x01")


def test_a_participant_has_one_name_however_a_table_writes_the_number():
    assert len({ONE.participant(pid) for pid in (100002, "100002", 100002.0, " 100002 ")}) == 1
    assert ONE.participant("PHANTOM-00001") != ONE.participant("PHANTOM-00002")


@given(st.integers(100000, 999999))
def test_a_name_tells_nothing_of_the_number_and_depends_on_the_salt(pid):
    name = ONE.participant(pid)
    assert str(pid) not in name
    assert name != OTHER.participant(pid)
    assert name != f"P-{ONE.series(str(pid))[2:]}"


def test_the_salt_is_made_once_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "keys" / "salt"
    first = open_pseudonyms(path, make=True)
    assert open_pseudonyms(path) == first
    assert len(first.salt) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_pseudonyms(tmp_path / "another", make=True) != first
    with pytest.raises(CohortError, match="is missing: restore the salt"):
        open_pseudonyms(tmp_path / "lost")


@pytest.mark.parametrize("text", ["no hexadecimal", "abcd", ""])
def test_a_file_without_salt_is_refused_and_left_alone(tmp_path, text):
    path = tmp_path / "salt"
    path.write_text(text)
    with pytest.raises(CohortError, match="salt"):
        open_pseudonyms(path)
    assert path.read_text() == text


@pytest.mark.parametrize("content", [b"\xff" * 64, b"", b"0" * 100_000, None])
def test_a_damaged_salt_is_told_at_once(tmp_path, content):
    path = tmp_path / "salt"
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    with pytest.raises(CohortError, match=r"salt.*restore it, or"):
        open_pseudonyms(path)


def test_a_salt_that_another_process_makes_meanwhile_is_kept(tmp_path):
    path = tmp_path / "salt"
    first = open_pseudonyms(path, make=True)
    _make_salt(path)
    assert open_pseudonyms(path) == first
    assert [file.name for file in tmp_path.iterdir()] == ["salt"]


def no_links(*_, **__):
    raise OSError(errno.EPERM, "Operation not permitted")  # as exFAT, SMB and FUSE refuse


def test_a_salt_is_made_on_a_disk_without_links_and_never_over_another(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "salt"
    first = open_pseudonyms(path, make=True)
    assert len(first.salt) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    _make_salt(path)
    assert open_pseudonyms(path) == first
    assert [file.name for file in tmp_path.iterdir()] == ["salt"]


@pytest.mark.parametrize("written_before", [0, 1])
def test_a_full_disk_leaves_no_part_of_a_salt_and_names_it(tmp_path, monkeypatch, written_before):
    written = []

    def full(handle):
        written.append(handle)
        if len(written) > written_before:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        open_pseudonyms(tmp_path / "salt", make=True)
    assert error.value.filename == str(tmp_path / "salt")
    assert list(tmp_path.iterdir()) == []
