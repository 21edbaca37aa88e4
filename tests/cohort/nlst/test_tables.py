"""NLST's tables in both flavours: the same typed tables, and one sentence for every error."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.tables import read_tables
from lung_ssp.errors import CohortError

NAMES = Pseudonyms(b"s" * 32)
Make = Callable[..., Path]


def frames(tables) -> dict[str, pd.DataFrame]:
    return {name: getattr(tables, name) for name in ("persons", "cancers", "abnormalities", "comparisons", "screens")}


def test_the_values_arrive_typed_and_under_pseudonyms(nlst_tables: Make) -> None:
    tables = read_tables(nlst_tables(), NAMES)
    assert [len(frame) for frame in frames(tables).values()] == [3, 3, 4, 1, 5]
    assert not any(tables.oddities.values())
    person = tables.persons.set_index("participant").loc[NAMES.participant(100001)]
    assert (person.can_scr, person.candx_days, person.scr_days1, person.locrup, person.locrlow) == (1, 500, 380, 1, 0)
    assert person.scr_days2 is pd.NA and tables.persons.scr_days2.dtype == "Int64"
    assert list(tables.cancers.stage) == ["IA", "IIIB", "IV"] and tables.cancers.stage_7th.isna().sum() == 2
    assert list(tables.cancers.lc_topog) == ["C34.1", "C34.3", "C34.1"]
    assert tables.abnormalities.sct_long_dia.dropna().tolist() == [8.0, 12.5, 6.0]
    assert tables.comparisons.sct_ab_gwth.tolist() == [2]
    for frame in frames(tables).values():
        assert "pid" not in frame.columns
        assert frame.participant.str.fullmatch("P-[0-9a-f]{12}").all()
        assert not frame.astype(str).apply(lambda column: column.str.contains("10000[123]")).any().any()


def cdas(folder: Path, table: pd.DataFrame, name: str) -> None:
    """CDAS: its own names, columns in capitals, SAS's special missing values, whole numbers with points."""
    inside = folder / "Spiral CT"
    inside.mkdir(exist_ok=True)
    names = {
        "prsn": "participant_d040722",
        "canc": "lung_cancer_d040722",
        "ctab": "sctabn",
        "ctabc": "sct_comparison_abnormalities_d040722",
        "screen": "sctscreen",
    }
    old = {110: 3, 120: 4, 210: 6, 220: 7, 310: 8, 320: 9, 400: 10}
    table = table.rename(columns=str.upper)
    if "DE_STAG" in table:
        table["DE_STAG"] = table["DE_STAG"].map(old)
    table = table.apply(lambda c: c.astype("float64") if c.dtype == "Int64" else c)
    table.to_csv(inside / f"{names[name]}.csv", index=False, na_rep=".N")


def texts(folder: Path, table: pd.DataFrame, name: str) -> None:
    """The Imaging Data Commons' later releases: texts, as parquet, with a name of their own for the participant."""
    other = {"canc": "nlst_clinical"}.get(name, f"NLST_780_{name}_idc_20210527")
    table.rename(columns={"pid": "dicom_patient_id"}).astype("string").to_parquet(folder / f"{other}.parquet")


def numbers(folder: Path, table: pd.DataFrame, name: str) -> None:
    """The same as parquet with numbers."""
    table.to_parquet(folder / f"{name}.parquet")


@pytest.mark.parametrize("flavour", [cdas, texts, numbers])
def test_both_flavours_read_alike(nlst_tables: Make, tmp_path: Path, flavour: Callable) -> None:
    plain = nlst_tables()
    other = tmp_path / "other"
    other.mkdir()
    for name in ("prsn", "canc", "ctab", "ctabc", "screen"):
        flavour(other, pd.read_csv(plain / f"nlst_{name}.csv").convert_dtypes(), name)
    expected, read = read_tables(plain, NAMES), read_tables(other, NAMES)
    for name, frame in frames(read).items():
        pd.testing.assert_frame_equal(frame, frames(expected)[name])


def test_the_optional_tables_may_be_missing(nlst_tables: Make) -> None:
    folder = nlst_tables()
    (folder / "nlst_ctabc.csv").unlink()
    (folder / "nlst_screen.csv").unlink()
    tables = read_tables(folder, NAMES)
    assert len(tables.comparisons) == len(tables.screens) == 0
    assert tables.comparisons.sct_ab_gwth.dtype == "Int64"


@pytest.mark.parametrize("table", ["prsn", "canc", "ctab"])
def test_a_missing_table_is_named(nlst_tables: Make, table: str) -> None:
    folder = nlst_tables()
    (folder / f"nlst_{table}.csv").unlink()
    with pytest.raises(CohortError, match=rf"lacks NLST's table {table}: put nlst_{table}\.csv or "):
        read_tables(folder, NAMES)


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        (
            "prsn",
            {"can_scr": [1, 9, 4]},
            r"prsn \(nlst_prsn.csv\): can_scr is '9' in 1 row, which is not one of its co",
        ),
        ("prsn", {"can_scr": [1, None, 4]}, r"can_scr is missing in 1 row"),
        ("prsn", {"scr_res0": ["2", "four", "4"]}, r"scr_res0 is 'four' in 1 row, which is no number"),
        ("prsn", {"scr_res0": [2, "inf", 4]}, r"scr_res0 is 'inf' in 1 row, which is no number"),
        ("prsn", {"candx_days": [500.5, None, 500.5]}, r"candx_days is '500.5' in 2 rows, which is no whole number"),
        ("prsn", {"de_stag": [130, None, 130]}, r"de_stag is '130' in 2 rows, which is not one of its codes \(3, 4, 6"),
        ("prsn", {"locrup": [2, None, 0]}, r"locrup is '2' in 1 row, .* \(0, 1\)"),
        ("canc", {"lc_morph": [8140, None, 8041]}, r"lc_morph is missing in 1 row"),
        ("canc", {"lc_order": [1, 1, 1]}, r"canc .*: 1 row with a key .pid, lc_order. that another has"),
        ("canc", {"pid": [100001, None, 100003]}, r"pid is missing in 1 row"),
        ("ctab", {"study_yr": [0, 1, 3, 2]}, r"study_yr is '3' in 1 row, which is not one of its codes \(0, 1, 2\)"),
        ("ctab", {"sct_epi_loc": [7, 1, None, None]}, r"sct_epi_loc is '7' in 1 row"),
        ("ctab", {"sct_margins": [4, 4, None, None]}, r"sct_margins is '4' in 2 rows"),
        ("ctab", {"sct_ab_desc": [51, 51, 66, 51]}, r"sct_ab_desc is '66' in 1 row"),
        ("ctabc", {"sct_ab_gwth": [3]}, r"ctabc .*sct_ab_gwth is '3' in 1 row"),
        ("screen", {"ctdxqual": [1, 2, 3, 4, 1]}, r"ctdxqual is '4' in 1 row"),
    ],
)
def test_a_fault_names_table_column_value_and_count(nlst_tables: Make, table: str, change: dict, message: str) -> None:
    folder = nlst_tables(**{table: change})
    with pytest.raises(CohortError, match=message) as fault:
        read_tables(folder, NAMES)
    assert "10000" not in str(fault.value)


def test_a_shifted_column_does_not_give_a_participant_away(nlst_tables: Make) -> None:
    folder = nlst_tables(ctab={"sct_ab_desc": [51, 100003, 59, 51]})
    with pytest.raises(CohortError, match="sct_ab_desc is a participant's number in 1 row"):
        read_tables(folder, NAMES)


@pytest.mark.parametrize(("table", "column"), [("prsn", "scr_days1"), ("canc", "lc_morph"), ("ctab", "pid")])
def test_a_missing_column_is_named(nlst_tables: Make, table: str, column: str) -> None:
    folder = nlst_tables(**{table: {column: "drop"}})
    with pytest.raises(CohortError, match=rf"{table} \(nlst_{table}\.csv\) lacks the column {column}"):
        read_tables(folder, NAMES)


def test_oddities_are_counted(nlst_tables: Make) -> None:
    folder = nlst_tables(
        prsn={
            "can_scr": [1, 3, 0],
            "candx_days": [501, None, 2000],
            "scr_days0": [600, 5, None],
            "scr_days1": [None, 370, None],
        },
        canc={"candx_days": [500, 700, None]},
        ctab={"pid": [100001, 100001, 100009, 100002]},
        ctabc={"sct_ab_code": [52]},
    )
    report = read_tables(folder, NAMES).oddities
    assert report == {
        "participants without the day of any screening exam": 1,
        "participants with abnormalities but no row in prsn": 1,
        "participants with a cancer in canc but no row in prsn": 0,
        "participants with can_scr above 0 but no cancer in canc": 1,
        "participants with can_scr = 0 but a cancer in canc": 1,
        "participants whose candx_days differ between prsn and canc": 1,
        "cancers without a day of diagnosis": 1,
        "cancers diagnosed before the first screening exam": 1,
        "exams with abnormalities but no day of the exam": 2,
        "exams in screen but no day of the exam": 2,
        "comparisons without an abnormality in ctab": 0,
        "comparisons whose code differs from ctab's": 1,
    }
