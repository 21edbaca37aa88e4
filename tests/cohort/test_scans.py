"""The table of scans and the masks beside it."""

import numpy as np
import pytest

from lung_ssp.cohort.scans import Scan, read_scans
from lung_ssp.cohort.store import load_arrays
from lung_ssp.errors import CohortError


def table(root, text: str):
    (root / "scans.csv").write_text(text)
    return root


def test_rows_become_scans_in_their_order(tmp_path):
    scans = read_scans(table(tmp_path, "patient,split,series,masks\n007,test,scans/7,scans/7.npz\nb,train,scans/b,\n"))
    assert [(scan.patient, scan.split) for scan in scans] == [("007", "test"), ("b", "train")]
    assert scans[0].series == tmp_path / "scans/7" and scans[0].masks == tmp_path / "scans/7.npz"
    assert scans[1].masks is None


@pytest.mark.parametrize(
    "text, message",
    [
        ("patient,split,masks\na,test,x\n", "lacks the columns series"),
        ("patient,split,series,masks\na,tset,x,y\n", "line 2: split is 'tset'"),
        ("patient,split,series,masks,name\na,test,x,y,../../x\n", "'../../x' cannot be the name of a scan's files"),
        ("patient,split,series,masks,name\na,test,x,y,\n", "'' cannot be the name of a scan's files"),
        ("patient,split,series,masks\n/tmp/x,test,x,y\n", "'/tmp/x' cannot be the name"),
        ("patient,split,series,masks\na,test,../x,y\n", "'../x': it must be a path inside"),
        ("patient,split,series,masks\na,test,/x/1.2.3,y\n", "'/x/1.2.3': it must be a path inside"),
        ("patient,split,series,masks\na,test,x,../../y.npz\n", "'../../y.npz': it must be a path inside"),
        ("patient,split,series,masks\na,test,x,y\na,test,z,y\n", "names the scan 'a' twice"),
        ("patient,split,series,masks\na,test,x\n", "line 2 has 3 fields, but there are 4 columns"),
        ("patient,split,series,masks\n" + "a" * 201 + ",test,x,y\n", "a patient's name has 1 to 200"),
        ("patient,split,series,masks\na\0,test,x,y\n", "holds a NUL"),
    ],
)
def test_a_faulty_table_is_refused(tmp_path, text, message):
    with pytest.raises(CohortError, match=message) as caught:
        read_scans(table(tmp_path, text))
    assert "scans.csv" in str(caught.value) and "prepare the cohort again" in str(caught.value)


def test_a_series_of_nlst_may_lie_beside_the_cohort(tmp_path):
    scans = read_scans(table(tmp_path, "name,patient,split,series,masks\nab,P-1,test,../images/1.2.3,\n"))
    assert scans[0].series == tmp_path / "../images/1.2.3"
    assert scans[0].name == "ab"


def test_a_link_out_of_the_cohort_is_not_followed(tmp_path):
    root = tmp_path / "cohort"
    root.mkdir()
    (root / "scans").symlink_to(tmp_path)
    with pytest.raises(CohortError, match=r"leads out of .* by a link"):
        read_scans(table(root, "patient,split,series,masks\na,test,scans/x,scans/y.npz\n"))


def test_a_cohort_without_scans_says_so(tmp_path):
    with pytest.raises(CohortError, match="no scans to segment"):
        read_scans(tmp_path)


def test_lesions_come_from_the_masks(tmp_path):
    lesions = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    np.savez(tmp_path / "m.npz", lesions=lesions)
    assert np.array_equal(Scan("a", "a", "train", tmp_path, tmp_path / "m.npz").lesions(), lesions)
    with pytest.raises(CohortError, match="not known"):
        Scan("a", "a", "train", tmp_path, None).lesions()


def test_a_broken_or_incomplete_file_is_named(tmp_path):
    np.savez(tmp_path / "m.npz", lungs=np.zeros(2))
    with pytest.raises(CohortError, match=r"m\.npz cannot be read"):
        load_arrays(tmp_path / "m.npz", ["lesions"])
    (tmp_path / "n.npz").write_bytes(b"not an archive")
    with pytest.raises(CohortError, match=r"n\.npz cannot be read"):
        load_arrays(tmp_path / "n.npz", ["lesions"])
