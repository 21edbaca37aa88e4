"""Which CT series a segmentation belongs to."""

import pytest

from lung_ssp.cohort.nlst.index import read_index
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.selection import link_masks


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
