"""Names and paths out of files stay inside their folder."""

from pathlib import Path

import pytest

from lung_ssp.errors import LungSspError
from lung_ssp.paths import inside, is_plain_name

OUTSIDE = ["../x", "a/../../x", "/etc", "", "a\0b", "a\x1b[2J", "a\\b", "x" * 300, "a/" * 3000]


@pytest.mark.parametrize("text", OUTSIDE)
def test_a_path_that_leads_out_of_its_folder_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(LungSspError, match=r"it must be a path inside|it leads out of") as caught:
        inside(tmp_path, text)
    assert len(str(caught.value)) < 400 and "\x1b" not in str(caught.value)


def test_a_path_inside_is_that_of_the_folder(tmp_path: Path) -> None:
    assert inside(tmp_path, "a/b c.npz") == tmp_path / "a/b c.npz"
    assert inside(tmp_path, "./a/../b").resolve() == tmp_path / "b"


def test_a_link_is_followed_within_the_folder_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "round").symlink_to(root / "round")
    (root / "own").symlink_to(root)
    for name in ("out/x", "round/x"):
        with pytest.raises(LungSspError, match="by a link"):
            inside(root, name)
    assert inside(root, "own/x") == root / "own/x"
    (tmp_path / "again").symlink_to(root)
    assert inside(tmp_path / "again", "x") == tmp_path / "again" / "x"


@pytest.mark.parametrize("text", ["", ".", "..", ".hidden", "a/b", "a\\b", "a\0", "a\nb", "x" * 201, "\ud800"])
def test_what_cannot_be_a_file_of_our_own_is_no_name(text: str) -> None:
    assert not is_plain_name(text)


def test_names_of_patients_and_series_are_names() -> None:
    assert all(map(is_plain_name, ["P-0123456789ab", "Müller 2", "1.2.840.10008", "x" * 200]))
