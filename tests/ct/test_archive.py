import zipfile

import numpy as np
import pytest

from lung_ssp.ct import archive
from lung_ssp.ct.series import open_series, read_series


@pytest.fixture
def packed(tmp_path, hu, write_series):
    """A zip archive of a series, in a folder within."""
    paths = write_series(tmp_path / "series", hu)
    path = tmp_path / "series.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for one in paths:
            file.write(one, f"study/{one.name}")
        file.writestr("study/notes.txt", "about the scan")
    return path


def test_a_series_is_read_out_of_an_archive(packed, hu):
    series = open_series(packed)
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert {reference.path.parent for reference in series.slices} == {packed / "study"}
    assert [one.path for one in series.left_out] == [packed / "study" / "notes.txt"]


def test_messages_name_the_archive(packed, hu, refused, write_series, tmp_path):
    with zipfile.ZipFile(packed, "a") as file:
        file.write(next((tmp_path / "series").iterdir()), "again.dcm")
    message = refused(read_series, packed, reason="duplicate")
    assert f"{packed}/again.dcm" in message and "lung_ssp-" not in message


@pytest.mark.parametrize("name", ["../../evil.dcm", "/etc/evil", "a/../../evil", "..\\evil", "C:/evil", "C:\\evil"])
def test_nothing_is_written_outside(packed, tmp_path, refused, name):
    with zipfile.ZipFile(packed, "a") as file:
        file.writestr(name, "evil")
    message = refused(read_series, packed, reason="foreign file")
    assert str(packed) in message and "outside" in message
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all", b"PK\x05\x06" + b"\xff" * 18])
def test_a_damaged_archive_is_told(tmp_path, refused, content):
    (tmp_path / "scan.zip").write_bytes(content)
    assert str(tmp_path / "scan.zip") in refused(read_series, tmp_path / "scan.zip")


def test_a_flipped_byte_is_told(packed, refused):
    content = bytearray(packed.read_bytes())
    content[len(content) // 3] ^= 0xFF
    packed.write_bytes(content)
    assert "cannot be unpacked, it is damaged" in refused(read_series, packed, reason="damaged")


def test_an_encrypted_archive_is_told(packed, refused):
    content = packed.read_bytes()
    marked = content.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    packed.write_bytes(marked.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01"))
    assert "it is encrypted" in refused(read_series, packed, reason="damaged")


def test_what_it_unpacks_to_is_bounded(packed, refused, monkeypatch):
    monkeypatch.setattr(archive, "MOST_BYTES", 10_000)
    assert "holds 19 files of 0.0 GB, at most" in refused(read_series, packed, reason="damaged")


def test_no_archive_is_told(tmp_path, refused):
    assert "does not exist" in refused(read_series, tmp_path / "none.zip", reason="not found")


def test_what_zipfile_unpacks_without_bound_is_not_unpacked(tmp_path, refused):
    with zipfile.ZipFile(tmp_path / "scan.zip", "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("slice", bytes(1000))
    assert "cannot be unpacked safely" in refused(read_series, tmp_path / "scan.zip", reason="compressed")


def test_a_colon_in_a_name_is_no_drive(packed, hu):
    with zipfile.ZipFile(packed, "a") as file:
        file.writestr("CT 10:22/notes", "about the scan")
    np.testing.assert_array_equal(read_series(packed).hu, hu)


def test_a_name_that_no_file_can_have_is_told(packed, refused):
    with zipfile.ZipFile(packed, "a") as file:
        file.writestr("a" * 300, "x")
    message = refused(read_series, packed, reason="damaged")
    assert f"{packed} cannot be unpacked (File name too long)" in message


def test_a_small_archive_of_a_large_one_is_refused_before_it_is_unpacked(tmp_path, refused):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file, file.open("0.dcm", "w") as member:
        for _ in range(257):
            member.write(bytes(2**20))
    assert f"{path} of 1." in (message := refused(read_series, path, reason="damaged"))
    assert "would unpack to 269 MB, which no scan does" in message


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damage_within_a_member_is_told(packed, refused, method):
    with zipfile.ZipFile(packed, "w", method) as file:
        file.writestr("one.dcm", np.random.default_rng(0).integers(0, 255, 5000, np.uint8).tobytes())
    content = bytearray(packed.read_bytes())
    content[100:2000] = bytes(1900)
    packed.write_bytes(content)
    assert "cannot be unpacked, it is damaged" in refused(read_series, packed, reason="damaged")


def test_a_name_too_long_for_a_file_is_told(packed, refused):
    with zipfile.ZipFile(packed, "a") as file:
        file.writestr("x" * 300, "")
    assert f"{packed} cannot be unpacked" in refused(read_series, packed, reason="damaged")
