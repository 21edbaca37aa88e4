"""Boxes in Pascal VOC's XML files, one an image."""

import pytest

from lung_ssp.cohort.annotations.voc_boxes import read_voc_boxes, voc_files
from lung_ssp.ct.series import open_series
from lung_ssp.errors import CohortError

FILE = """<annotation><size><width>{columns}</width><height>{rows}</height></size>{objects}</annotation>"""
BOX = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


@pytest.fixture
def series(scan):
    return open_series(scan)


def write(folder, series, index, *boxes, rows=None):
    height, width = series.slices[index].header.shape
    folder.mkdir(exist_ok=True)
    path = folder / f"{series.slices[index].sop_uid}.xml"
    path.write_text(FILE.format(columns=width, rows=rows or height, objects="".join(BOX.format(*box) for box in boxes)))
    return path


def test_the_boxes_of_a_series_are_those_on_its_images(series, tmp_path):
    write(tmp_path / "a", series, 3, ("A", 5, 8, 15, 20), ("A", 1, 1, 2, 2))
    (tmp_path / "a" / "1.2.3.999.xml").write_text("of another series")
    (tmp_path / "a" / "notes.xml").write_text("no UID")
    boxes = read_voc_boxes(voc_files(tmp_path / "a"), series, "A")
    assert [(box.left, box.top, box.width, box.height) for box in boxes] == [(5, 8, 10, 12), (1, 1, 1, 1)]
    assert {box.sop_uid for box in boxes} == {series.slices[3].sop_uid}
    assert voc_files(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("box", "rows", "message"),
    [
        (("B", 5, 8, 15, 20), None, "has a box of 'B', but the patient's name says A"),
        (("A", 15, 8, 5, 20), None, "a box that is empty or leaves the image"),
        (("A", 5, 8, 5000, 20), None, "a box that is empty or leaves the image"),
        (("A", "x", 8, 15, 20), None, "has the bndbox/xmin 'x', no number of pixels"),
        (("A", 5, 8, 15, 20), 7, "is of an image of 7 rows"),
    ],
)
def test_a_box_that_cannot_be_is_refused(box, rows, message, series, tmp_path):
    write(tmp_path / "a", series, 3, box, rows=rows)
    with pytest.raises(CohortError, match=message):
        read_voc_boxes(voc_files(tmp_path / "a"), series, "A")


def test_two_files_of_one_image_are_refused(series, tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name, series, 3, ("A", 5, 8, 15, 20))
    with pytest.raises(CohortError, match="are of one image: remove one of them"):
        voc_files(tmp_path)


def test_another_file_is_no_annotation(series, tmp_path):
    path = write(tmp_path / "a", series, 3)
    path.write_text("<html/>")
    with pytest.raises(CohortError, match="is no Pascal VOC file: its root is 'html'"):
        read_voc_boxes({series.slices[3].sop_uid: path}, series, "A")
