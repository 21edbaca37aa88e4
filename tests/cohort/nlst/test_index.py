"""Reading the public index."""

from pathlib import Path

import pytest

from lung_ssp.cohort.nlst.index import read_index
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.errors import CohortError

PSEUDONYMS = Pseudonyms(bytes(32))


def test_only_images_masks_and_slides_of_the_collection_are_read(index_row, mask_row, write_index) -> None:  # type: ignore[no-untyped-def]
    path = write_index(
        [
            index_row(1),
            index_row(2, collection_id="lidc_idri"),
            index_row(3, Modality="SR"),
            mask_row(4, "nlstseg", of=2),
            index_row(5, Modality="SM", PatientID="100002"),
        ]
    )
    index = read_index(path, "nlst", PSEUDONYMS)
    assert index["series_uid"].tolist() == ["1.2.3.1", "1.2.3.4", "1.2.3.5"]
    assert index["modality"].tolist() == ["CT", "SEG", "SM"]
    assert index["analysis"].tolist() == ["", "nlstseg", ""]
    assert index["instances"].tolist() == [150, 1, 150]
    assert index["participant"].tolist() == [PSEUDONYMS.participant(pid) for pid in (100001, 100001, 100002)]


def test_the_rest_of_a_long_file_is_read_too(index_row, write_index) -> None:  # type: ignore[no-untyped-def]
    others = [index_row(number, collection_id="other") for number in range(1, 70_000)]
    path = write_index([*others, index_row(70_000)])
    assert read_index(path, "nlst", PSEUDONYMS)["series_uid"].tolist() == ["1.2.3.70000"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SeriesInstanceUID": "../../etc"}, "1 values of series_uid"),
        ({"SeriesInstanceUID": None}, "1 values of series_uid"),
        ({"crdc_series_uuid": "x y"}, "1 values of crdc_series_uuid"),
        ({"aws_bucket": "b/../c"}, "1 values of bucket"),
        ({"SeriesInstanceUID": "1.2.3.1"}, "names a series twice"),
        ({"instanceCount": None}, "no instanceCount"),
    ],
)
def test_what_no_index_holds_is_refused(change, message, index_row, write_index) -> None:  # type: ignore[no-untyped-def]
    path = write_index([index_row(1), index_row(2, **change)])
    with pytest.raises(CohortError, match=message):
        read_index(path, "nlst", PSEUDONYMS)


def test_other_files_are_refused(tmp_path: Path, index_row, write_index) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CohortError, match="does not exist"):
        read_index(tmp_path / "none.parquet", "nlst", PSEUDONYMS)
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(CohortError, match="no parquet file"):
        read_index(tmp_path / "text.parquet", "nlst", PSEUDONYMS)
    row = index_row(1)
    del row["aws_bucket"]
    with pytest.raises(CohortError, match="lacks aws_bucket"):
        read_index(write_index([row]), "nlst", PSEUDONYMS)
    with pytest.raises(CohortError, match="holds no series of CT, SEG, SM"):
        read_index(write_index([index_row(1)]), "elsewhere", PSEUDONYMS)
