"""Which CT series the annotations belong to."""

from pathlib import Path

import pytest

from lung_ssp.cohort.nlst.index import read_index
from lung_ssp.cohort.nlst.mask_links import link_masks, read_boxed_series
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.settings import BoxFiles
from lung_ssp.errors import CohortError


@pytest.fixture
def links_of(write_index):  # type: ignore[no-untyped-def]
    """The links of an index's masks as pairs of the last parts of their UIDs."""

    def links(rows):  # type: ignore[no-untyped-def]
        index = read_index(write_index(rows), "nlst", Pseudonyms(bytes(32)))
        found = link_masks(index[index["modality"].eq("SEG")], index[index["modality"].eq("CT")])
        pairs = found.map(lambda uid: int(uid.rpartition(".")[2]))
        return sorted(pairs.itertuples(index=False, name=None))

    return links


def test_a_mask_belongs_to_the_series_whose_number_it_names(links_of, index_row, mask_row) -> None:  # type: ignore[no-untyped-def]
    rows = [
        index_row(1, SeriesNumber="2"),
        index_row(2, SeriesNumber="3"),
        index_row(3, SeriesNumber="3", StudyInstanceUID="1.2.9.2"),
        mask_row(11, "nlstseg", of=3),
        mask_row(12, "organs", of=2, SeriesDescription="TotalSegmentator(v1.5.6) Segmentation of Series 2"),
        mask_row(13, "nlstseg", of=4),
    ]
    assert links_of(rows) == [(11, 2), (12, 1)]


def test_a_number_that_stands_twice_links_to_both(links_of, index_row, mask_row) -> None:  # type: ignore[no-untyped-def]
    assert links_of([index_row(1), index_row(2), mask_row(11, "nlstseg", of=2)]) == [(11, 1), (11, 2)]


def test_a_mask_that_names_no_series_links_to_all_of_its_study(links_of, index_row, mask_row) -> None:  # type: ignore[no-untyped-def]
    mask = mask_row(11, "other", of=2, SeriesDescription="nodule segmentation")
    assert links_of([index_row(1), index_row(2, SeriesNumber="7"), mask]) == [(11, 1), (11, 2)]


def test_a_study_of_two_participants_does_not_share_its_masks(links_of, index_row, mask_row) -> None:  # type: ignore[no-untyped-def]
    rows = [index_row(1), index_row(2, PatientID="100002"), mask_row(11, "nlstseg", of=2, PatientID="100002")]
    assert links_of(rows) == [(11, 2)]


def test_the_series_that_files_of_boxes_name(tmp_path: Path) -> None:
    (tmp_path / "sybil.json").write_text('{"1.2.3": {"1.2.3.4": []}, "1.2.5": {}}')
    (tmp_path / "nlstx.csv").write_text("fold,seriesinstanceuids\n0,1.2.5\n1,\n2, 1.2.7\n")
    files = BoxFiles(sybil=str(tmp_path / "sybil.json"), nlstx=str(tmp_path / "nlstx.csv"))
    assert read_boxed_series(files) == {"1.2.3", "1.2.5", "1.2.7"}
    assert read_boxed_series(BoxFiles()) == set()


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("sybil", "{", "holds no JSON"),
        ("sybil", "[" * 100_000, "holds no JSON"),
        ("sybil", '["1.2.3"]', "no mapping"),
        ("sybil", '{"../x": {}}', "no DICOM UID"),
        ("nlstx", "a,b\n1,2\n", "column seriesinstanceuids"),
        ("nlstx", "seriesinstanceuids\nx\n", "names 1 series"),
        ("nlstx", None, "cannot be read"),
    ],
)
def test_other_files_are_refused(kind: str, content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "boxes").write_text(content)
    with pytest.raises(CohortError, match=message):
        read_boxed_series(BoxFiles.model_validate({kind: str(tmp_path / "boxes")}))


def test_the_real_files_of_boxes(shared_data: Path) -> None:
    folder = shared_data / "nlst"
    sybil = read_boxed_series(BoxFiles(sybil=str(folder / "sybil_nlst_annotations.json")))
    nlstx = read_boxed_series(BoxFiles(nlstx=str(folder / "nlstx_dataset.csv")))
    assert (len(sybil), len(nlstx), len(sybil | nlstx)) == (972, 1229, 1983)
