"""Prepared cohorts on disk."""

from pathlib import Path

import numpy as np
import pytest

from lung_ssp.cohort.store import Sections, alone_in_cohort, mark_folder, read_sections, write_sections
from lung_ssp.errors import CohortError, LungSspError
from lung_ssp.files import read_json


def sections() -> Sections:
    images = np.random.default_rng(0).random((3, 4, 4), dtype=np.float32)
    return Sections(
        images, {"image": np.array([0, 1, 2]), "pathology": np.array([0, -1, 8])}, np.array(["a", "b", "b"])
    )


def test_sections_come_back_as_they_were(tmp_path: Path) -> None:
    write_sections(tmp_path, "test", sections())
    back = read_sections(tmp_path, "test")
    assert len(back) == 3
    for name in ("images", "patients"):
        assert np.array_equal(getattr(back, name), getattr(sections(), name))
    for task in ("image", "pathology"):
        assert back.labels[task].tolist() == sections().labels[task].tolist()
    with np.load(tmp_path / "sections" / "test.npz") as arrays:
        assert list(arrays) == ["images", "image_labels", "pathology_labels", "patients"]


def test_the_same_sections_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_sections(tmp_path / name, "test", sections())
    first, second = ((tmp_path / name / "sections" / "test.npz").read_bytes() for name in ("a", "b"))
    assert first == second


def test_what_is_no_cohort_is_told(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"train\.npz does not exist"):
        read_sections(tmp_path, "train")
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / "train.npz").write_bytes(b"no archive")
    with pytest.raises(CohortError, match="cannot be read"):
        read_sections(tmp_path, "train")


def test_sections_with_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sections").mkdir()
    with (tmp_path / "sections" / "train.npz").open("wb") as file:
        np.savez(file, images=np.array([{}], dtype=object))
    with pytest.raises(CohortError, match="cannot be read"):
        read_sections(tmp_path, "train")


def test_a_cohort_whose_folders_are_links_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    mark_folder(root, "key")
    mark_folder(root, "key")
    (root / "sections").symlink_to(tmp_path)
    with pytest.raises(LungSspError, match=r"cohort/sections is a symbolic link.*put a copy in its place"):
        mark_folder(root, "key")


@pytest.mark.parametrize(
    "name", [".lock", ".preparation.json.0123abcd", ".preparation.json.k2_x9abc", ".cohort.json.ffffffff.lung-ssp"]
)
def test_what_a_killed_preparation_left_is_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    mark_folder(tmp_path, "key")
    assert read_json(tmp_path / "preparation.json")["key"] == "key"


@pytest.mark.parametrize("name", ["notes.txt", ".notes", ".git", ".notes.20240131"])
def test_a_folder_with_other_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(CohortError, match=r"is not an empty folder and holds no cohort: choose another"):
        mark_folder(tmp_path, "key")
    with pytest.raises(CohortError, match=r"is not an empty folder and holds no cohort: choose another"):
        mark_folder(tmp_path / name, "key")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("place", ["sections/train.npz", "scans/.PHANTOM-00001.partial", "simulated_nlst/images/1.2"])
def test_a_link_anywhere_in_a_cohort_is_refused(tmp_path: Path, place: str) -> None:
    """Through it files would be written, or removed, elsewhere."""
    root, outside = tmp_path / "cohort", tmp_path / "outside"
    mark_folder(root, "key")
    outside.mkdir()
    (root / place).parent.mkdir(parents=True)
    (root / place).symlink_to(outside)
    with pytest.raises(LungSspError, match=f"{place} is a symbolic link"), alone_in_cohort(root):
        pass
    assert list(outside.iterdir()) == []


def test_what_a_killed_preparation_left_below_is_removed(tmp_path: Path) -> None:
    mark_folder(tmp_path, "key")
    names = ["a.npz", ".a.npz.0123abcd.lung-ssp", ".a.npz.mine"]
    for name in names:
        path = tmp_path / "tiles" / ".slides" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with alone_in_cohort(tmp_path):
        assert {path.name for path in path.parent.iterdir()} == {"a.npz", ".a.npz.mine"}


def test_a_second_preparation_in_a_folder_is_told(tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    with alone_in_cohort(root):
        mark_folder(root, "key")
        with (
            pytest.raises(LungSspError, match=r"Another process works in .*cohort: wait for it"),
            alone_in_cohort(root),
        ):
            pass
    with alone_in_cohort(root):
        pass


ODD_SECTIONS = {
    "images is missing|no item named": {"images": None},
    "images holds text": {"images": np.array(["a"])},
    "images has 2 axes": {"images": np.zeros((3, 4), np.float32)},
    "its images are float64": {"images": np.zeros((3, 4, 4))},
    "not finite": {"images": np.full((3, 4, 4), np.nan, np.float32)},
    "outside 0..1": {"images": np.full((3, 4, 4), -1, np.float32)},
    "other numbers of labels": {"image_labels": np.zeros(2, int)},
    "image_labels holds decimal numbers": {"image_labels": np.zeros(3)},
    "a label is none of -1 to 999": {"image_labels": np.array([0, 1, -2])},
    "patients holds whole numbers": {"patients": np.arange(3)},
    "a patient's name": {"patients": np.array(["a", "b\n", "c"])},
}


@pytest.mark.parametrize("message", ODD_SECTIONS)
def test_sections_of_another_form_are_refused(tmp_path: Path, message: str) -> None:
    write_sections(tmp_path, "test", sections())
    path = tmp_path / "sections" / "test.npz"
    with np.load(path) as arrays:
        content = {**arrays, **ODD_SECTIONS[message]}
    np.savez(path, **{name: array for name, array in content.items() if array is not None})
    with pytest.raises(CohortError, match=message) as caught:
        read_sections(tmp_path, "test")
    assert "test.npz" in str(caught.value) and "prepare the cohort again" in str(caught.value)


@pytest.mark.parametrize("content", [b"{}", b"[]", b"{", b'{"key": 1}', b"[" * 100_000, b"\xff"])
def test_a_damaged_note_of_what_is_prepared_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "preparation.json").write_bytes(content)
    with pytest.raises(CohortError, match=r"preparation\.json is damaged .*: remove the folder"):
        mark_folder(tmp_path, "key")
