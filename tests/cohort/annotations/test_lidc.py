"""LIDC's XML files: one made by hand, whose outlines are squares, and a real one."""

import os

import numpy as np
import pytest

from lung_ssp.cohort.annotations.lidc import read_lidc
from lung_ssp.cohort.annotations.settings import AnnotationSettings
from lung_ssp.ct.series import open_series
from lung_ssp.errors import CohortError

FILE = """<?xml version="1.0" encoding="UTF-8"?>
<LidcReadMessage xmlns="http://www.nih.gov">
<ResponseHeader><SeriesInstanceUid>{series}</SeriesInstanceUid></ResponseHeader>
{sessions}
</LidcReadMessage>"""


def square(left, top, size):
    """The outline of a square of size x size pixels, as its corners."""
    right, bottom = left + size - 1, top + size - 1
    return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]


def roi(series, index, points, inclusion="TRUE", sop_uid=None, z=None):
    edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in points)
    height = series.volume.to_world(np.array([index, 0, 0]))[2] if z is None else z
    return (
        f"<roi><imageZposition>{height} </imageZposition>"
        f"<imageSOP_UID>{sop_uid or series.slices[index].sop_uid}</imageSOP_UID>"
        f"<inclusion>{inclusion}</inclusion>{edges}</roi>"
    )


def session(*nodules):
    inside = "".join(
        f"<unblindedReadNodule><noduleID>{index}</noduleID>{''.join(rois)}</unblindedReadNodule>"
        for index, rois in enumerate(nodules)
    )
    return f"<readingSession>{inside}<nonNodule><nonNoduleID>n</nonNoduleID></nonNodule></readingSession>"


@pytest.fixture
def series(scan):
    return open_series(scan)


def write(tmp_path, series, *sessions):
    path = tmp_path / "readers.xml"
    path.write_text(FILE.format(series=series.volume.series_uid, sessions="\n".join(sessions)))
    return path


def test_the_share_of_readers_decides_on_each_voxel(series, tmp_path):
    wide, narrow = (
        [roi(series, 5, square(10, 8, 7))],
        [roi(series, 5, square(11, 9, 5)), roi(series, 6, square(11, 9, 5))],
    )
    path = write(tmp_path, series, session(wide), session(narrow), session(narrow), session())
    everyone = np.zeros(series.volume.shape, bool)
    everyone[5, 8:15, 10:17] = everyone[6, 9:14, 11:16] = True
    two = np.zeros_like(everyone)
    two[5:7, 9:14, 11:16] = True
    np.testing.assert_array_equal(read_lidc(path, series, 0.25), everyone)
    np.testing.assert_array_equal(read_lidc(path, series, 0.5), two)
    three = read_lidc(path, series, 0.75)
    assert three[5].sum() == 25 and three[6].sum() == 0
    assert not read_lidc(path, series, 1.0).any()


def test_the_outline_may_lie_outside_and_a_hole_keeps_its_own_outline(series, tmp_path):
    rois = [roi(series, 5, square(12, 10, 3), "FALSE"), roi(series, 5, square(10, 8, 7))]
    path = write(tmp_path, series, session(rois))
    inside = read_lidc(path, series, 1.0)
    assert inside.sum() == 49 - 1 and inside[5, 11, 13] == 0 and inside[5, 10, 12] == 1
    assert read_lidc(path, series, 1.0, outline_inside=False).sum() == 25 - 1


def test_nodules_are_joined_across_readers_and_single_points_left_out(series, tmp_path):
    first = session(
        [roi(series, 3, square(5, 5, 4))], [roi(series, 10, square(20, 20, 4))], [roi(series, 12, [(9, 9)])]
    )
    second = session([roi(series, 10, square(22, 20, 4))], [roi(series, 3, square(6, 5, 4))])
    labels = read_lidc(write(tmp_path, series, first, second), series, 0.5)
    assert set(np.unique(labels)) == {0, 1, 2}
    assert set(np.unique(labels[3])) == {0, 1} and (labels[3] == 1).sum() == 20
    assert set(np.unique(labels[10])) == {0, 2} and (labels[10] == 2).sum() == 24
    assert not labels[12].any()


def test_one_reader_counts_once(series, tmp_path):
    twice = session([roi(series, 3, square(5, 5, 4))], [roi(series, 3, square(5, 5, 4))])
    assert not read_lidc(write(tmp_path, series, twice, session()), series, 1.0).any()


def test_outlines_go_by_the_patient_not_by_the_array(turned, tmp_path):
    series = open_series(turned)
    path = write(tmp_path, series, session([roi(series, 5, square(10, 8, 3))]))
    labels = read_lidc(path, series, 1.0)
    assert labels.sum() == 9
    assert labels[5, 30 - 8 - 3 : 30 - 8, 40 - 10 - 3 : 40 - 10].all()


def test_a_slice_without_its_name_is_found_by_its_height(series, tmp_path):
    path = write(tmp_path, series, session([roi(series, 5, square(10, 8, 3), sop_uid="1.2.3")]))
    assert read_lidc(path, series, 1.0)[5].sum() == 9
    path = write(tmp_path, series, session([roi(series, 5, square(10, 8, 3), sop_uid="1.2.3", z=999)]))
    with pytest.raises(CohortError, match="outline at z = 999 mm"):
        read_lidc(path, series, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("</LidcReadMessage>", ""), "cannot be read as XML"),
        (("<LidcReadMessage", "<!DOCTYPE a [<!ENTITY b 'c'>]><LidcReadMessage"), "declares a document type"),
        (("LidcReadMessage", "IdriReadMessage"), "no LIDC file of CT"),
        (("<SeriesInstanceUid>", "<SeriesInstanceUid>9"), "is of the series 9"),
        (("SeriesInstanceUid", "Other"), "lacks ResponseHeader/SeriesInstanceUid"),
        (("readingSession", "nothing"), "no reading session"),
        (("<inclusion>TRUE", "<inclusion>maybe"), "inclusion is 'MAYBE'"),
        (("<xCoord>10<", "<xCoord>ten<"), "xCoord 'ten', no number"),
        (("<xCoord>10<", "<xCoord>40<"), "leaves the image of 30 rows and 40 columns"),
        (("<xCoord>10<", "<xCoord>nan<"), "xCoord 'nan', no number"),
        (("edgeMap", "edge"), "outline without points"),
    ],
)
def test_a_faulty_file_is_told_in_one_sentence(series, tmp_path, change, message):
    path = write(tmp_path, series, session([roi(series, 5, square(10, 8, 3))]))
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(CohortError, match=message):
        read_lidc(path, series, 0.5)


def test_entities_in_another_encoding_are_refused_too(series, tmp_path):
    path = write(tmp_path, series, session())
    text = path.read_text().replace("UTF-8", "UTF-16").replace("<Lidc", "<!DOCTYPE a [<!ENTITY b 'c'>]><Lidc", 1)
    path.write_text(text, encoding="utf-16")
    with pytest.raises(CohortError, match="declares a document type"):
        read_lidc(path, series, 0.5)


def test_a_file_that_is_missing(series, tmp_path):
    with pytest.raises(CohortError, match="cannot be opened"):
        read_lidc(tmp_path / "none.xml", series, 0.5)


def test_two_of_four_readers_give_the_label_volume_of_a_real_scan(lidc_series, shared_data):
    series = open_series(lidc_series)
    labels = read_lidc(next(lidc_series.rglob("*.xml")), series, AnnotationSettings().consensus)
    with np.load(shared_data / "lidc-idri" / "LIDC-IDRI-0001_nodules.npz") as arrays:
        truth = arrays["labels"]
    assert 2 * np.count_nonzero(labels & truth) / (np.count_nonzero(labels) + np.count_nonzero(truth)) >= 0.99
    np.testing.assert_array_equal(labels, truth)


BOMB = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
XML: dict[str, bytes | None] = {
    "entities that expand": f'<!DOCTYPE a [<!ENTITY a0 "x">{BOMB}]><LidcReadMessage>&a11;</LidcReadMessage>'.encode(),
    "an entity of another file": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><LidcReadMessage>&b;</LidcReadMessage>',
    "a parameter entity": b'<!DOCTYPE a [<!ENTITY % b SYSTEM "file:///dev/zero"> %b;]><LidcReadMessage/>',
    "a document type elsewhere": b'<!DOCTYPE a SYSTEM "file:///dev/zero"><LidcReadMessage/>',
    "deep elements": b"<a>" * 200_000,
    "deep and whole": b"<a>" * 200_000 + b"</a>" * 200_000,
    "a long name": b"<" + b"a" * 1_000_000 + b"/>",
    "a long message": b"<LidcReadMessage><b" + b" " * 1_000_000,
    "NUL": b"<LidcReadMessage>\0</LidcReadMessage>",
    "another encoding": b'<?xml version="1.0" encoding="no-such"?><LidcReadMessage/>',
    "a pipe": None,
}


@pytest.mark.parametrize("what", XML)
def test_a_costly_or_foreign_xml_file_is_told_at_once(series, tmp_path, what):
    path, content = tmp_path / "readers.xml", XML[what]
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    with pytest.raises(
        CohortError, match=r"readers\.xml (cannot be read as XML|is no LIDC|is no ordinary file)"
    ) as caught:
        read_lidc(path, series, 0.5)
    assert len(str(caught.value)) < 700 and "root:" not in str(caught.value)


def test_numbers_beyond_any_image_are_no_numbers(series, tmp_path):
    path = write(tmp_path, series, session([roi(series, 5, square(10, 8, 3))]))
    for number in ("1e300", "-1e6", "9" * 5000):
        (tmp_path / "odd.xml").write_text(path.read_text().replace("<xCoord>10<", f"<xCoord>{number}<"))
        with pytest.raises(CohortError, match=r"odd\.xml has the xCoord .*no number of pixels or mm: copy"):
            read_lidc(tmp_path / "odd.xml", series, 0.5)
