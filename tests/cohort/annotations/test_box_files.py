"""Sybil's and NLSTx's files of boxes: real and damaged ones."""

import json

import numpy as np
import pytest

from lung_ssp.cohort.annotations.box_files import MarkedBox, read_boxes, read_nlstx, read_sybil
from lung_ssp.errors import CohortError

HEADER = (
    "fold,PID,study_yr,malignancy,seriesinstanceuids,Abnormality UID,Slice number,Bounding box x (pixels),"
    "Bounding box y (pixels),Bounding box width (pixels),Bounding box height (pixels)"
)
ROW = "0,4711,0,B,1.2.3,1.0,98.0,200.0,146.0,17.0,13.0"


def test_sybils_file(tmp_path):
    path = tmp_path / "sybil.json"
    item = {"x": 0.25, "y": 0.5, "width": 0.1, "height": 0.2}
    path.write_text(json.dumps({"1.2.3": {"1.2.3.1": [item, item], "1.2.3.2": []}, "1.2.4": {}}))
    one = MarkedBox("1.2.3", "1.2.3.1", None, 0.25, 0.5, 0.1, 0.2, fractions=True)
    assert read_sybil(path) == {"1.2.3": (one, one), "1.2.4": ()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "holds no JSON"),
        ("[" * 100_000, "holds no JSON"),
        ("[]", "does not go from series to slices"),
        ('{"../x": {}}', "does not go from series to slices"),
        ('{"1.2": {"a b": []}}', "does not go from series to slices"),
        ('{"1.2": {"1.3": {}}}', "has no list of boxes"),
        ('{"1.2": {"1.3": [{"x": 0.1, "y": 0.1, "width": 0.1}]}}', "lacks one of"),
        ('{"1.2": {"1.3": [{"x": 0.1, "y": 0.1, "width": 0.1, "height": "1"}]}}', "has no number"),
        ('{"1.2": {"1.3": [{"x": 0.1, "y": 0.1, "width": 0.1, "height": 0}]}}', "is empty"),
        ('{"1.2": {"1.3": [{"x": 0.1, "y": 0.1, "width": 0.1, "height": NaN}]}}', "holds no JSON"),
        ('{"1.2": {"1.3": [{"x": 0.95, "y": 0.1, "width": 0.1, "height": 0.1}]}}', "within 0 and 1"),
    ],
)
def test_a_faulty_file_of_sybils_is_told(tmp_path, text, message):
    path = tmp_path / "sybil.json"
    path.write_text(text)
    with pytest.raises(CohortError, match=message):
        read_sybil(path)


def test_nlstxs_file(tmp_path):
    path = tmp_path / "nlstx.csv"
    path.write_text(f"{HEADER}\n{ROW}\n{ROW.replace('1.0,98', '2.0,99')}\n")
    first = MarkedBox("1.2.3", None, 98, 200, 146, 17, 13, fractions=False, lesion="1")
    second = MarkedBox("1.2.3", None, 99, 200, 146, 17, 13, fractions=False, lesion="2")
    assert read_nlstx(path) == {"1.2.3": (first, second)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Slice number", "slice", "lacks the column 'Slice number'"),
        ("98.0", "many", "line 2: the slice is 'many'"),
        ("98.0", "98.5", "line 2: .* impossible"),
        ("98.0", "", "line 2: the slice is ''"),
        ("17.0", "0", "line 2: .* impossible"),
        ("17.0", "inf", "line 2: .* impossible"),
        ("1.2.3", "a/b", "line 2: .* impossible"),
    ],
)
def test_a_faulty_table_of_nlstxs_is_told_without_the_participant(tmp_path, old, new, message):
    path = tmp_path / "nlstx.csv"
    path.write_text(f"{HEADER}\n{ROW}\n".replace(old, new))
    with pytest.raises(CohortError, match=message) as caught:
        read_nlstx(path)
    assert "4711" not in str(caught.value)


def test_files_that_are_missing(tmp_path):
    for read in (read_sybil, read_nlstx):
        with pytest.raises(CohortError, match="none"):
            read(tmp_path / "none")


def test_the_real_files(shared_data):
    sybil = read_sybil(shared_data / "nlst" / "sybil_nlst_annotations.json")
    assert (len(sybil), sum(map(len, sybil.values()))) == (972, 9280)
    assert sum(not boxes for boxes in sybil.values()) == 2
    nlstx = read_nlstx(shared_data / "nlst" / "nlstx_dataset.csv")
    rows = [box for boxes in nlstx.values() for box in boxes]
    assert (len(nlstx), len(rows)) == (1229, 1232)
    assert max(box.left + box.width for box in rows) <= 512 and max(box.top + box.height for box in rows) <= 512


def test_nlstxs_boxes_overlap_sybils_as_corners_and_not_as_centres(shared_data):
    sybil = read_sybil(shared_data / "nlst" / "sybil_nlst_annotations.json")
    nlstx = read_nlstx(shared_data / "nlst" / "nlstx_dataset.csv")
    offsets = {"corner": [], "centre": []}
    for series_uid in sorted(set(sybil) & set(nlstx)):
        others = [(512 * (b.left + b.width / 2), 512 * (b.top + b.height / 2)) for b in sybil[series_uid]]
        for own in nlstx[series_uid]:
            middle = np.array([own.left + own.width / 2, own.top + own.height / 2])
            offset = middle - min(others, key=lambda other: np.hypot(*(middle - other)))
            if np.hypot(*offset) < 15:
                offsets["corner"].append(offset)
                offsets["centre"].append(offset - [own.width / 2, own.height / 2])
    corner, centre = (np.median(offsets[name], axis=0) for name in ("corner", "centre"))
    assert len(offsets["corner"]) > 150
    assert np.abs(corner).max() < 2
    assert np.abs(centre).min() > 8


def test_each_source_by_series(tmp_path):
    (tmp_path / "sybil.json").write_text('{"1.2.3": {"1.2.3.4": []}, "1.2.5": {}}')
    boxes = read_boxes(str(tmp_path / "sybil.json"), None)
    assert boxes == {"sybil": {"1.2.3": (), "1.2.5": ()}}
    assert read_boxes(None, None) == {}


def test_the_real_files_of_boxes(shared_data):
    folder = shared_data / "nlst"
    boxes = read_boxes(str(folder / "sybil_nlst_annotations.json"), str(folder / "nlstx_dataset.csv"))
    assert (len(boxes["sybil"]), len(boxes["nlstx"])) == (972, 1229)
    assert len(set(boxes["sybil"]) | set(boxes["nlstx"])) == 1983
