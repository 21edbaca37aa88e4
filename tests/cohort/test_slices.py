"""Cutting the lungs out of a scan onto the working grid, and keeping the result without mixing settings."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lung_ssp.cohort.scans import read_scans
from lung_ssp.cohort.slice_settings import SliceSettings
from lung_ssp.cohort.slices import (
    LungSlices,
    cut_slices,
    lung_box,
    prepare_slices,
    read_slices,
    slices_path,
    write_slices,
)
from lung_ssp.ct.settings import ParenchymaSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CohortError
from lung_ssp.files import write_text


def block(shape, *sides) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


def test_the_box_just_holds_the_mask_and_its_margin():
    mask = block((20, 30, 40), (5, 9), (10, 20), (2, 38))
    assert lung_box(mask, (1.0, 1.0, 1.0), 0.0) == (slice(5, 9), slice(10, 20), slice(2, 38))
    # 3 mm are 2 slices of 2 mm, 3 rows of 1 mm and 6 columns of 0.5 mm, of which only 2 are there
    assert lung_box(mask, (2.0, 1.0, 0.5), 3.0) == (slice(3, 11), slice(7, 23), slice(0, 40))


def test_two_lungs_lie_in_one_box():
    mask = block((9, 9, 30), (1, 4), (2, 5), (3, 8)) | block((9, 9, 30), (2, 8), (4, 7), (20, 25))
    assert lung_box(mask, (1.0, 1.0, 1.0), 0.0) == (slice(1, 8), slice(2, 7), slice(3, 25))


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="empty"):
        lung_box(np.zeros((3, 3, 3), bool), (1.0, 1.0, 1.0), 0.0)


def test_a_scan_on_the_working_grid_already_is_only_cut():
    rng = np.random.default_rng(0)
    volume = Volume(rng.integers(-1000, 400, (12, 20, 22), dtype=np.int16), (2.5, 1.4, 1.4), origin=(5.0, 6.0, 7.0))
    lungs = block(volume.shape, (3, 9), (4, 16), (5, 17))
    lesions = (block(volume.shape, (4, 6), (6, 9), (7, 9)) * 3).astype(np.uint8)
    slices = cut_slices(volume, lungs, SliceSettings(margin_mm=0.0), lesions)
    box = (slice(3, 9), slice(4, 16), slice(5, 17))
    assert np.array_equal(slices.scan.hu, volume.hu[box])
    assert np.array_equal(slices.lungs, lungs[box]) and np.array_equal(slices.lesions, lesions[box])
    assert slices.scan.origin == pytest.approx((5 + 5 * 1.4, 6 + 4 * 1.4, 7 + 3 * 2.5))


@settings(deadline=None, max_examples=30)
@given(
    st.tuples(st.floats(0.8, 4), st.floats(0.5, 2), st.floats(0.5, 2)),
    st.tuples(st.floats(-200, 200), st.floats(-200, 200), st.floats(-200, 200)),
)
def test_everything_stays_where_it_is_in_the_patient(spacing, origin):
    shape = tuple(int(60 / step) for step in spacing)
    lungs = np.ones(shape, bool)
    centre, radius = np.array(shape) * 0.45, 14.0
    away = [(np.arange(n) - middle) * step for n, middle, step in zip(shape, centre, spacing, strict=True)]
    ball = away[0][:, None, None] ** 2 + away[1][None, :, None] ** 2 + away[2][None, None, :] ** 2 < radius**2
    volume = Volume(np.where(ball, 0, -1000).astype(np.int16), spacing, origin)
    slices = cut_slices(volume, lungs, SliceSettings(), ball.astype(np.uint8))
    true_place = volume.to_world(centre)
    for mask in (slices.lesions > 0, slices.scan.hu > -500):
        place = slices.scan.to_world(np.argwhere(mask).mean(axis=0))
        assert np.abs(place - true_place).max() < 1.3
        volume_mm3 = np.count_nonzero(mask) * slices.scan.voxel_mm3
        # The surface may lie half a voxel further in or out, on the scan's grid or on the new one.
        shell_mm3 = 4 * np.pi * radius**2 * max(*spacing, *slices.scan.spacing) / 2
        assert abs(volume_mm3 - 4 / 3 * np.pi * radius**3) < shell_mm3


def test_without_known_lesions_there_are_none():
    volume = Volume(np.zeros((4, 8, 8), np.int16), (2.5, 1.4, 1.4))
    slices = cut_slices(volume, np.ones(volume.shape, bool), SliceSettings())
    assert slices.lesions.dtype == np.uint8 and not slices.lesions.any()


@pytest.mark.parametrize("changes", [{"spacing_mm": [2.5, -1.0, 1.4]}, {"window_hu": [0.0, 0.0]}, {"margin": 3.0}])
def test_impossible_settings_are_refused(changes):
    with pytest.raises(ValidationError):
        SliceSettings.model_validate(changes)


def cohort_of(root, made_with: dict[str, SliceSettings]):
    rows = [f"{patient},train,scans/{patient},scans/{patient}.npz" for patient in made_with]
    write_text(root / "scans.csv", "\n".join(["patient,split,series,masks", *rows]) + "\n")
    for number, (patient, grid) in enumerate(made_with.items()):
        volume = Volume(np.full((2, 3, 4), number, np.int16), (2.5, 1.4, 1.4))
        slices = LungSlices(volume, np.ones((2, 3, 4), bool), np.full((2, 3, 4), number, np.uint8))
        write_slices(slices_path(root, patient), slices, json.dumps({"slices": grid.model_dump()}))


def test_slices_are_read_back_in_the_order_of_the_table(tmp_path):
    wide = SliceSettings(margin_mm=4.0)
    cohort_of(tmp_path, {"b": wide, "a": wide})
    found, scans = read_slices(tmp_path, "train")
    assert found == wide
    assert [int(slices.scan.hu[0, 0, 0]) for slices in scans] == [0, 1]
    assert scans[1].scan.spacing == (2.5, 1.4, 1.4) and scans[1].scan.hu.dtype == np.int16
    assert scans[1].lungs.dtype == bool and scans[1].lesions.dtype == np.uint8


def test_slices_of_different_settings_are_not_mixed(tmp_path):
    cohort_of(tmp_path, {"a": SliceSettings(), "b": SliceSettings(margin_mm=0.0)})
    with pytest.raises(CohortError, match="mixes"):
        read_slices(tmp_path, "train")


def test_missing_and_broken_files_are_named(tmp_path):
    cohort_of(tmp_path, {"a": SliceSettings(), "b": SliceSettings()})
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
    grid, parenchyma = SliceSettings(spacing_mm=[4.0, 2.0, 2.0]), ParenchymaSettings()
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
    for other in ((SliceSettings(), parenchyma), (grid, ParenchymaSettings(recipe="paper"))):
        with pytest.raises(CohortError, match="other settings"):
            prepare_slices(phantom_cohort, *other)


def test_masks_that_do_not_fit_the_series_are_refused(phantom_cohort, tmp_path):
    root = shutil.copytree(phantom_cohort, tmp_path / "copy", ignore=shutil.ignore_patterns("slices"))
    scan = read_scans(root)[0]
    np.savez(scan.masks, lungs=np.ones((2, 2, 2), bool), lesions=np.ones((2, 2, 2), np.uint8))
    with pytest.raises(CohortError, match="masks must fit"):
        prepare_slices(root, SliceSettings(), ParenchymaSettings())
