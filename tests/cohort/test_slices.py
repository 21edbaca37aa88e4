"""Slices on disk: made once, read back, never mixed with those of other settings."""

import json
import shutil

import numpy as np
import pytest

from lung_ssp.cohort.scans import read_scans
from lung_ssp.cohort.slices import (
    prepare_slices,
    read_slices,
    slices_path,
    write_slices,
)
from lung_ssp.ct.settings import ParenchymaSettings, WorkingGridSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import LungSlices
from lung_ssp.errors import CohortError
from lung_ssp.files import write_text


def cohort_of(root, made_with: dict[str, WorkingGridSettings]):
    rows = [f"{patient},train,scans/{patient},scans/{patient}.npz" for patient in made_with]
    write_text(root / "scans.csv", "\n".join(["patient,split,series,masks", *rows]) + "\n")
    for number, (patient, grid) in enumerate(made_with.items()):
        volume = Volume(np.full((2, 3, 4), number, np.int16), (2.5, 1.4, 1.4))
        slices = LungSlices(volume, np.ones((2, 3, 4), bool), np.full((2, 3, 4), number, np.uint8))
        write_slices(slices_path(root, patient), slices, json.dumps({"slices": grid.model_dump()}))


def test_slices_are_read_back_in_the_order_of_the_table(tmp_path):
    wide = WorkingGridSettings(margin_mm=4.0)
    cohort_of(tmp_path, {"b": wide, "a": wide})
    found, scans = read_slices(tmp_path, "train")
    assert found == wide
    assert [int(slices.scan.hu[0, 0, 0]) for slices in scans] == [0, 1]
    assert scans[1].scan.spacing == (2.5, 1.4, 1.4) and scans[1].scan.hu.dtype == np.int16
    assert scans[1].lungs.dtype == bool and scans[1].lesions.dtype == np.uint8


def test_slices_of_different_settings_are_not_mixed(tmp_path):
    cohort_of(tmp_path, {"a": WorkingGridSettings(), "b": WorkingGridSettings(margin_mm=0.0)})
    with pytest.raises(CohortError, match="mixes"):
        read_slices(tmp_path, "train")


def test_missing_and_broken_files_are_named(tmp_path):
    cohort_of(tmp_path, {"a": WorkingGridSettings(), "b": WorkingGridSettings()})
    with pytest.raises(CohortError, match="no test scan"):
        read_slices(tmp_path, "test")
    whole = slices_path(tmp_path, "b").read_bytes()
    slices_path(tmp_path, "b").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CohortError, match=r"b\.npz cannot be read"):
        read_slices(tmp_path, "train")
    slices_path(tmp_path, "b").unlink()
    with pytest.raises(CohortError, match=r"b\.npz does not exist"):
        read_slices(tmp_path, "train")


@pytest.fixture(scope="module")
def phantom_cohort(tmp_path_factory, make_small_scans):
    """Two small scans of the embedded cohort, as DICOM files with their true masks."""
    return make_small_scans(tmp_path_factory.mktemp("cohorts") / "phantom", [1, 0, 1], {"adenocarcinoma": 5})


def test_scans_become_slices_once_and_other_settings_are_refused(phantom_cohort):
    grid, parenchyma = WorkingGridSettings(spacing_mm=[4.0, 2.0, 2.0]), ParenchymaSettings()
    prepare_slices(phantom_cohort, grid, parenchyma)
    paths = sorted((phantom_cohort / "slices").iterdir())
    assert [path.stem for path in paths] == [scan.patient for scan in read_scans(phantom_cohort)]
    for split in ("train", "test"):
        found, (slices,) = read_slices(phantom_cohort, split)
        assert found == grid
        assert slices.scan.spacing == (4.0, 2.0, 2.0)
        assert slices.scan.shape == slices.lungs.shape == slices.lesions.shape
        assert slices.lungs.mean() > 0.2
        assert np.median(slices.scan.hu[slices.lungs]) < -600

    scan = read_scans(phantom_cohort)[0]
    _, (slices,) = read_slices(phantom_cohort, scan.split)
    with np.load(scan.masks) as masks:
        true_lesions, true_spacing = masks["lesions"], masks["spacing"]
    # The scan's slices are 8 to 9 mm apart and the grid's 4 mm: a lesion may gain or lose half a slice at either end.
    for label in range(1, true_lesions.max() + 1):
        true = np.argwhere(true_lesions == label) * true_spacing
        found = np.argwhere(slices.lesions == label) * slices.scan.spacing
        extent = np.ptp(found, axis=0) + slices.scan.spacing
        assert np.all(np.abs(extent - (np.ptp(true, axis=0) + true_spacing)) <= np.add(true_spacing, (4.0, 2.0, 2.0)))

    written = [path.stat().st_mtime_ns for path in paths]
    prepare_slices(phantom_cohort, grid, parenchyma)
    assert [path.stat().st_mtime_ns for path in paths] == written
    for other in ((WorkingGridSettings(), parenchyma), (grid, ParenchymaSettings(recipe="paper"))):
        with pytest.raises(CohortError, match="other settings"):
            prepare_slices(phantom_cohort, *other)


def test_masks_that_do_not_fit_the_series_are_refused(phantom_cohort, tmp_path):
    root = shutil.copytree(phantom_cohort, tmp_path / "copy", ignore=shutil.ignore_patterns("slices"))
    scan = read_scans(root)[0]
    np.savez(scan.masks, lungs=np.ones((2, 2, 2), bool), lesions=np.ones((2, 2, 2), np.uint8))
    with pytest.raises(CohortError, match="masks must fit"):
        prepare_slices(root, WorkingGridSettings(), ParenchymaSettings())


ODD_SLICES = {
    "hu holds decimal numbers": {"hu": np.zeros((3, 4, 5))},
    "not of one shape": {"lungs": np.zeros((3, 4, 4), bool)},
    "spacing has the shape": {"spacing": np.ones(2)},
    "an impossible spacing": {"spacing": np.array([1.0, np.nan, 1.0])},
    "do not say how they were made": {"settings": np.array("{}")},
    "do not  say|do not say how": {"settings": np.array("[" * 5000)},
    "settings holds whole numbers": {"settings": np.array(3)},
}


@pytest.mark.parametrize("message", ODD_SLICES)
def test_slices_of_another_form_are_refused(tmp_path, message):
    (tmp_path / "slices").mkdir()
    (tmp_path / "scans.csv").write_text("patient,split,series,masks\na,train,scans/a,scans/a.npz\n")
    content = {
        "hu": np.zeros((3, 4, 5), np.int16),
        "lungs": np.zeros((3, 4, 5), bool),
        "lesions": np.zeros((3, 4, 5), np.uint8),
        "spacing": np.ones(3),
        "settings": np.array("{}"),
    }
    np.savez(tmp_path / "slices" / "a.npz", **{**content, **ODD_SLICES[message]})
    with pytest.raises(CohortError, match=message):
        read_slices(tmp_path, "train")
