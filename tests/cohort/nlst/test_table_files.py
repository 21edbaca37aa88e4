"""Which file holds which table, and texts as they stand in it."""

from pathlib import Path

import pandas as pd
import pytest

from lung_ssp.cohort.nlst import table_files
from lung_ssp.cohort.nlst.table_files import find_table, is_missing, read_texts
from lung_ssp.errors import CohortError


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("prsn", "nlst_prsn.csv"),
        ("prsn", "nlst_780_prsn_idc_20210527.csv"),
        ("prsn", "Participant_d040722.CSV"),
        ("canc", "nlst_clinical.parquet"),
        ("canc", "Lung Cancer.csv"),
        ("ctab", "package/sctabn.csv"),
        ("ctab", "sct_abnormalities_d040722.csv"),
        ("ctabc", "nlst_780_ctabc_idc_20210527.csv"),
        ("screen", "sct_screening_d040722.csv"),
    ],
)
def test_a_table_is_found_under_its_names(tmp_path: Path, table: str, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert find_table(tmp_path, table) == path
    assert all(find_table(tmp_path, other) is None for other in {"prsn", "canc", "ctab", "ctabc", "screen"} - {table})


@pytest.mark.parametrize("name", ["participants.csv", "nlst_prsn.txt", "my_prsn.csv", "a/b/nlst_prsn.csv"])
def test_other_files_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    assert find_table(tmp_path, "prsn") is None


def test_two_files_of_one_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "nlst_canc.csv").touch()
    (tmp_path / "nlst_clinical.csv").touch()
    with pytest.raises(CohortError, match=r"table canc more than once, in nlst_canc\.csv and nlst_clinical\.csv"):
        find_table(tmp_path, "canc")


def test_values_are_text_and_whole_numbers_without_a_point(tmp_path: Path) -> None:
    pd.DataFrame({"PID": [100001.0, None], "size": [4.5, 7.0], "note ": ["C34.1", None]}).to_parquet(
        tmp_path / "t.parquet"
    )
    table = read_texts(tmp_path / "t.parquet")
    assert table.to_dict("list") == {"pid": ["100001", ""], "size": ["4.5", "7"], "note": ["C34.1", ""]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"a,b\n1,2,3\n1\n2,3,4,5\n", "cannot be read"),
        (b"a,b\n1,2,3\n1,2,3\n", "cannot be read as a table .*length of data"),
        (b"a,b\n\xff,2\n", "cannot be read"),
        (b"pid,PID\n1,2\n", "'pid' twice"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "nlst_prsn.csv"
    path.write_bytes(content)
    with pytest.raises(CohortError, match=message):
        read_texts(path)
    path = path.rename(path.with_suffix(".parquet"))
    with pytest.raises(CohortError, match="cannot be read"):
        read_texts(path)


def test_missing_values() -> None:
    values = pd.Series(["", ".", ".N", "N", ".M", "NaN", "0", "51", "C34.1", "-"])
    assert is_missing(values).tolist() == [True] * 6 + [False] * 4


def test_an_empty_field_behind_the_last_column_shifts_nothing(tmp_path: Path) -> None:
    (tmp_path / "nlst_prsn.csv").write_text("pid,can_scr\n1,2,\n3,4,\n")
    assert read_texts(tmp_path / "nlst_prsn.csv").to_dict("list") == {"pid": ["1", "3"], "can_scr": ["2", "4"]}


def test_a_table_of_endless_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"pid": [1, 2, 3]}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(table_files, "MOST_ROWS", 2)
    with pytest.raises(CohortError, match=r"t\.parquet cannot be read as a table \(it has more than 2 rows"):
        read_texts(tmp_path / "t.parquet")
    monkeypatch.setattr(table_files, "LARGEST_TABLE", 10)
    with pytest.raises(CohortError, match="it has more than 1e-08 GB"):
        read_texts(tmp_path / "t.parquet")
