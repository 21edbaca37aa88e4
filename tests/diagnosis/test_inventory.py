"""What scans lie below a folder, and how they are called. The files hold headers alone: no pixel is looked at."""

import os
import shutil
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian

from lung_ssp.ct.source import LeftOut
from lung_ssp.diagnosis.inventory import Inventory, find_scans
from lung_ssp.diagnosis.scan_names import TAKEN, names_of
from lung_ssp.errors import LungSspError
from lung_ssp.paths import is_plain_name

UID = "1.2.826.0.1.3680043.8.498"
CT, SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"


def write(folder: Path, uid: str, numbers: range = range(3), kind: str = CT, image_type: str = "AXIAL") -> None:
    """Slices of a series: a SOPInstanceUID each, by their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        dataset = pydicom.Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = kind, f"{uid or UID}.0.{number + 1}"
        dataset.ImageType, dataset.Modality = ["ORIGINAL", "PRIMARY", image_type], "CT"
        if uid:
            dataset.SeriesInstanceUID = uid
        dataset.PixelData = b"\0\0"
        dataset["PixelData"].VR = "OW"
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        pydicom.dcmwrite(folder / f"{uid}-{kind[-1]}-{image_type}-{number}.dcm", dataset, enforce_file_format=True)


def found(inventory: Inventory) -> dict[str, tuple[str, int]]:
    """Of each scan its place and how many files it has, by its name."""
    return {scan.name: (str(scan.place), len(scan.files)) for scan in inventory.scans}


def test_one_series_with_what_lies_beside_it_is_one_scan(tmp_path: Path) -> None:
    write(tmp_path / "a" / "ct", f"{UID}.1")
    write(tmp_path / "a" / "ct", f"{UID}.1", range(9, 10), image_type="LOCALIZER")
    write(tmp_path / "a" / "scout", f"{UID}.2", image_type="LOCALIZER")
    write(tmp_path / "a" / "dose", f"{UID}.3", kind=SECONDARY_CAPTURE)
    (tmp_path / "a" / "mask.nii.gz").write_bytes(b"x")
    inventory = find_scans(tmp_path)
    assert not inventory.is_several and inventory.contents is not None
    assert list(inventory.contents.by_series) == [f"{UID}.1"] and len(inventory.contents.left_out) == 8
    assert found(inventory) == {"a_ct": ("a/ct", 3), "a_mask": ("a/mask.nii.gz", 1)}  # as --all takes them
    (scan, _) = inventory.scans
    assert [one.why for one in scan.beside] == ["localizer"] and len(inventory.left_out) == 6


def test_every_form_of_a_scan_is_found_at_any_depth(tmp_path: Path) -> None:
    write(tmp_path / "p1", f"{UID}.1")
    write(tmp_path / "site" / "x y" / "p2", f"{UID}.2")
    (tmp_path / "p3.nii.gz").write_bytes(b"x")
    (tmp_path / "site" / "p4.zip").write_bytes(b"x")
    (tmp_path / "site" / "p5.mhd").write_bytes(b"x")
    (tmp_path / "site" / "p5.raw").write_bytes(b"x")
    (tmp_path / "p1" / "mask.nrrd").write_bytes(b"x")
    (tmp_path / "empty" / "below").mkdir(parents=True)
    inventory = find_scans(tmp_path)
    assert inventory.is_several and inventory.contents is None
    assert found(inventory) == {
        "p1": ("p1", 3),
        "p3": ("p3.nii.gz", 1),
        "site_p4": ("site/p4.zip", 1),
        "site_p5": ("site/p5.mhd", 2),
        "site_x_y_p2": ("site/x y/p2", 3),
    }
    assert inventory.scans[0].beside == (LeftOut(tmp_path / "p1" / "mask.nrrd", "volume file"),)
    assert inventory.empty == ("empty",)
    assert [one.path.name for one in inventory.left_out] == ["p5.raw"]


def test_several_volumes_are_several_scans_and_one_is_none(tmp_path: Path) -> None:
    (tmp_path / "p1.nii.gz").write_bytes(b"x")
    assert not find_scans(tmp_path).is_several
    (tmp_path / "p1.mha").write_bytes(b"x")
    inventory = find_scans(tmp_path)
    assert inventory.is_several
    names = [scan.name for scan in inventory.scans]
    assert len(set(names)) == 2 and all(name.startswith("p1-") and len(name) == 11 for name in names)


def test_several_series_of_one_folder_are_told_apart_without_their_uids(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / "p1", f"{UID}.{number}")
    names = [scan.name for scan in find_scans(tmp_path).scans]
    assert len(set(names)) == 2 and all(name.startswith("p1-") and UID not in name for name in names)


def test_a_series_in_several_folders_is_one_and_its_copies_are_others(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1", f"{UID}.1", range(3))
    write(tmp_path / "a" / "2", f"{UID}.1", range(3, 5))
    write(tmp_path / "other", f"{UID}.2")
    assert found(find_scans(tmp_path)) == {"a": ("a", 5), "other": ("other", 3)}
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    first, second, other = find_scans(tmp_path).scans
    assert (first.name, first.same_as, second.name, second.same_as) == ("a", "", "b", "a")
    assert (len(second.files), other.same_as) == (5, "")
    next((tmp_path / "b" / "1").iterdir()).write_bytes((tmp_path / "b" / "1").iterdir().__next__().read_bytes() + b"\0")
    assert [scan.same_as for scan in find_scans(tmp_path).scans] == ["", "", ""]  # of another size: perhaps cut


def test_copies_of_one_series_alone_are_no_several_scans(tmp_path: Path) -> None:
    """As ever they are refused as duplicates, or one is taken with --accept duplicates."""
    write(tmp_path / "a", f"{UID}.1")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    inventory = find_scans(tmp_path)
    assert not inventory.is_several and len(inventory.scans) == 2


def test_series_without_a_uid_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    write(tmp_path / "a", "")
    write(tmp_path / "b", "")
    inventory = find_scans(tmp_path)
    assert inventory.is_several and [scan.same_as for scan in inventory.scans] == ["", ""]
    assert found(inventory) == {"a": ("a", 3), "b": ("b", 3)}


def test_a_damaged_file_is_told_of_the_scan_that_it_may_belong_to(tmp_path: Path) -> None:
    for folder, uids in (("one", [1]), ("two", [2, 3])):
        for uid in uids:
            write(tmp_path / folder, f"{UID}.{uid}")
    for folder in ("one", "two", "none"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "cut.dcm").write_bytes(b"")
    inventory = find_scans(tmp_path)
    by_place = {(str(scan.place), scan.series_uid): scan for scan in inventory.scans}
    assert "cut.dcm is empty" in str(by_place["one", f"{UID}.1"].problem)
    assert "cut.dcm is empty" in str(by_place["none", ""].problem) and by_place["none", ""].files != ()
    assert by_place["two", f"{UID}.2"].problem is None is by_place["two", f"{UID}.3"].problem
    assert [(one.path.name, one.why) for one in inventory.left_out] == [
        ("cut.dcm", "damaged file, perhaps of one of several series")
    ]


def test_one_series_and_damaged_files_are_one_scan_which_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a", f"{UID}.1")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "cut.dcm").write_bytes(b"")
    assert not find_scans(tmp_path).is_several


def test_the_digest_follows_every_file_and_nothing_beside(tmp_path: Path) -> None:
    write(tmp_path / "a", f"{UID}.1")

    def digest() -> str:
        return find_scans(tmp_path).scans[0].digest

    before = digest()
    (tmp_path / "a" / "notes.txt").write_text("x")
    assert digest() == before
    first = sorted((tmp_path / "a").glob("*.dcm"))[0]
    time = first.stat().st_mtime_ns
    os.utime(first, ns=(time, time + 1))
    assert digest() != before
    os.utime(first, ns=(time, time))
    assert digest() == before
    first.rename(first.with_name("z.dcm"))
    assert digest() != before


def test_the_folder_of_the_results_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a", f"{UID}.1")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scans.csv").write_text("x")
    inventory = find_scans(tmp_path, tmp_path / "out")
    assert (inventory.left_out, inventory.empty) == ((), ())
    with pytest.raises(LungSspError, match="nowhere is no folder"):
        find_scans(tmp_path / "nowhere")


def test_names_of_places_that_look_alike_differ() -> None:
    places = ["a b/c", "a_b/c", "A_b/c", "x" * 300, "x" * 299, "scans.csv", ".hidden/a", ".", "ü/名", "e\udcff"]
    names = names_of([(Path(place), UID, False) for place in places])
    assert len({name.casefold() for name in names}) == len(places)
    assert all(is_plain_name(name) and len(name.encode()) <= 110 for name in names)
    assert names[6:] == ["_hidden_a", "series", "ü_名", "e_"] and names[5].startswith("scans.csv-")


@given(st.lists(st.text(min_size=1).filter(lambda text: "\0" not in text), min_size=1, max_size=5, unique_by=Path))
def test_every_place_has_a_plain_name_of_its_own(places: list[str]) -> None:
    names = names_of([(Path(place), "", False) for place in places])
    assert len({name.casefold() for name in names}) == len(places)
    assert all(is_plain_name(name) and name not in TAKEN for name in names)
