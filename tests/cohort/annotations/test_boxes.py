"""Boxes on the voxels of a series."""

import numpy as np
import pydicom
import pytest

from lung_ssp.cohort.annotations.box_files import MarkedBox
from lung_ssp.cohort.annotations.boxes import boxes_on
from lung_ssp.cohort.annotations.settings import AnnotationSettings
from lung_ssp.ct.section import make_section
from lung_ssp.ct.series import open_series
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.errors import CohortError

SETTINGS = AnnotationSettings()


@pytest.fixture
def series(scan):
    return open_series(scan)


def box(series, index, left, top, width, height, lesion=None):
    uid = series.slices[index].sop_uid
    return MarkedBox(series.volume.series_uid, uid, None, left, top, width, height, fractions=False, lesion=lesion)


def numbered(series, number):
    return MarkedBox(series.volume.series_uid, None, number, 10, 10, 4, 4, fractions=False, lesion="1")


def test_a_box_becomes_the_ellipse_in_it(series):
    labels = boxes_on(series, [box(series, 5, 10, 8, 6, 4)], SETTINGS)
    expected = np.zeros((4, 6), bool)
    expected[:] = ((np.arange(4)[:, None] - 1.5) / 2) ** 2 + ((np.arange(6) - 2.5) / 3) ** 2 <= 1
    np.testing.assert_array_equal(labels[5, 8:12, 10:16], expected)
    assert labels.sum() == expected.sum() == 4 + 6 + 6 + 4
    assert labels.dtype == np.uint8 and labels.shape == series.volume.shape


def test_shares_of_the_image_are_pixels(series):
    pixels = box(series, 5, 10, 6, 8, 12)
    shares = MarkedBox(pixels.series_uid, pixels.sop_uid, None, 10 / 40, 6 / 30, 8 / 40, 12 / 30, fractions=True)
    np.testing.assert_array_equal(boxes_on(series, [pixels], SETTINGS), boxes_on(series, [shares], SETTINGS))


def test_boxes_refer_to_the_stored_image(turned):
    series = open_series(turned)
    labels = boxes_on(series, [box(series, 5, 0, 0, 2, 2)], SETTINGS)
    assert np.argwhere(labels).tolist() == [[5, y, x] for y in (28, 29) for x in (38, 39)]


def test_overlapping_boxes_on_neighbouring_slices_are_one_lesion(series):
    boxes = [
        box(series, 5, 10, 10, 6, 6),
        box(series, 6, 12, 12, 8, 8),  # the widest
        box(series, 8, 12, 12, 8, 8),  # two slices on
        box(series, 6, 25, 12, 6, 6),  # beside it
        box(series, 6, 15, 15, 6, 6),  # in the second
    ]
    labels = boxes_on(series, boxes, SETTINGS)
    assert [set(np.unique(labels[index])) - {0} for index in (5, 6, 7, 8)] == [{1}, {1, 3}, set(), {2}]
    y, x = np.nonzero(labels[8] == 2)
    assert (y.mean(), x.mean()) == (15.5, 15.5)
    section = make_section(series.volume.hu, series.volume.spacing, labels == 2, SectionSettings())
    assert np.isfinite(section).all()


def test_named_lesions_decide_for_themselves(series):
    boxes = [box(series, 5, 10, 10, 6, 6, "1"), box(series, 5, 12, 10, 6, 6, "2"), box(series, 9, 30, 20, 4, 4, "1")]
    labels = boxes_on(series, boxes, SETTINGS)
    assert set(np.unique(labels[5])) == {0, 1, 2}
    assert set(np.unique(labels[9])) == {0, 1}


@pytest.mark.parametrize(("numbers", "index"), [("instance_number", 14), ("from_head", 14), ("from_feet", 3)])
def test_a_slice_number_is_counted_as_the_settings_say(series, numbers, index):
    settings = AnnotationSettings(nlstx_slice_number=numbers)  # the scan has 18 slices, the head is number 1
    labels = boxes_on(series, [numbered(series, 4)], settings)
    assert np.unique(np.nonzero(labels)[0]).tolist() == [index]
    with pytest.raises(CohortError, match=f"slice number 19 .{numbers}., which the series .* has not"):
        boxes_on(series, [numbered(series, 19)], settings)


def test_instance_numbers_need_not_go_from_the_head(make_scan, tmp_path):
    folder = make_scan(tmp_path / "scan")
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.InstanceNumber = 19 - dataset.InstanceNumber
        dataset.save_as(path)
    series = open_series(folder)
    assert boxes_on(series, [numbered(series, 4)], SETTINGS)[3].any()
    assert boxes_on(series, [numbered(series, 4)], AnnotationSettings(nlstx_slice_number="from_head"))[14].any()
    dataset.InstanceNumber = 4 if dataset.InstanceNumber != 4 else 5
    dataset.save_as(path)
    series = open_series(folder)
    with pytest.raises(CohortError, match="2 times"):
        boxes_on(series, [numbered(series, dataset.InstanceNumber)], SETTINGS)


def test_interpolated_slices_are_not_counted_and_part_no_lesion(make_scan, tmp_path):
    folder = make_scan(tmp_path / "scan", (40, 30, 40))
    whole = open_series(folder)
    whole.slices[30].path.unlink()
    series = open_series(folder, accept=["gaps"])
    settings = AnnotationSettings(nlstx_slice_number="from_head")
    assert boxes_on(series, [numbered(series, 10)], settings)[29].any()  # 39..31, then 29
    both = boxes_on(series, [box(series, 29, 10, 10, 6, 6), box(series, 31, 10, 10, 6, 6)], SETTINGS)
    assert both.max() == 1 and both[29].any() and both[31].any() and not both[30].any()


def test_a_box_on_a_tilted_scan_stays_at_its_place_in_the_patient(make_scan, tmp_path):
    folder = make_scan(tmp_path / "scan")
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient[1] += 0.2 * dataset.ImagePositionPatient[2]
        dataset.save_as(path)
    series = open_series(folder, accept=["tilt"])
    assert series.volume.shape[1] > 30
    for index in (2, 15):
        marked = np.argwhere(boxes_on(series, [box(series, index, 10, 8, 7, 5)], SETTINGS))
        x, y, z = pydicom.dcmread(series.slices[index].path).ImagePositionPatient
        truth = [x + 13 * 0.75, y + 10 * 0.75, z]  # the centre of the pixels 10..16 and 8..12
        np.testing.assert_allclose(series.volume.to_world(marked).mean(axis=0), truth, atol=0.75 / 2 + 1e-6)


def test_a_box_smaller_than_a_pixel_marks_the_pixel_it_lies_in(series):
    assert np.argwhere(boxes_on(series, [box(series, 5, 10.6, 8.6, 0.3, 0.3)], SETTINGS)).tolist() == [[5, 8, 10]]


def test_boxes_that_do_not_belong_are_refused(series):
    with pytest.raises(CohortError, match="leaves the image of 30 rows and 40 columns"):
        boxes_on(series, [box(series, 5, 36, 8, 6, 4)], SETTINGS)
    with pytest.raises(CohortError, match=r"of the series 1\.2\.3 was given for"):
        boxes_on(series, [MarkedBox("1.2.3", None, 1, 1, 1, 1, 1, fractions=False)], SETTINGS)
    with pytest.raises(CohortError, match=r"lies on the slice 1\.2\.9, which the series"):
        boxes_on(series, [MarkedBox(series.volume.series_uid, "1.2.9", None, 1, 1, 1, 1, fractions=False)], SETTINGS)
    with pytest.raises(CohortError, match="No box"):
        boxes_on(series, [], SETTINGS)
