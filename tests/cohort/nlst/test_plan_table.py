"""The plan's table on disk."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lung_ssp.cohort.idc import index
from lung_ssp.cohort.nlst.plan_table import SCHEMA, plan_bytes, read_plan, write_plan
from lung_ssp.errors import CohortError

CT: dict[str, Any] = {
    "role": "ct",
    "participant": "P-1",
    "study_year": 1,
    "series_uid": "1.2.3",
    "study_uid": "1.2.9",
    "crdc_series_uuid": "00000001-0000-4000-8000-000000000000",
    "instances": 150,
    "size_mb": 80.5,
    "source": "",
    "maker": "GE",
    "model": "LightSpeed Plus",
    "kernel": "STANDARD",
    "thickness_mm": 2.5,
    "field_mm": None,
    "has_boxes": False,
}
NONE = dict.fromkeys(("maker", "model", "kernel", "thickness_mm", "field_mm", "has_boxes"))
MASK = CT | NONE | {"role": "lesion_mask", "series_uid": "1.2.4", "source": "nlstseg", "instances": 1}
SLIDE = CT | NONE | {"role": "slide", "series_uid": "1.2.5", "study_uid": "1.2.8", "study_year": None}


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=SCHEMA.names).astype({"study_year": "Int64", "has_boxes": "boolean"})


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_plan(tmp_path, frame(CT, MASK, SLIDE))
    plan = read_plan(tmp_path)
    assert plan.columns.tolist() == SCHEMA.names
    assert plan["role"].tolist() == ["ct", "lesion_mask", "slide"]
    assert plan["study_year"].dtype == "Int64"
    assert plan["study_year"].isna().tolist() == [False, False, True]
    assert plan["instances"].tolist() == [150, 1, 150]
    assert plan["has_boxes"].isna().tolist() == [False, True, True]
    assert plan.loc[0, "maker"] == "GE"
    assert plan.loc[1, "maker"] is None
    assert plan.loc[0, "thickness_mm"] == 2.5


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert plan_bytes(frame(CT, MASK)) == plan_bytes(frame(CT, MASK).copy())
    assert plan_bytes(frame(CT, MASK)) != plan_bytes(frame(CT, MASK | {"size_mb": 81.0}))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([CT | {"role": "xray"}], "'xray' is no role"),
        ([CT, CT | {"series_uid": "1.2.7"}], "an exam has two CT series"),
        ([CT, CT | {"study_year": 2}], "a series is listed twice"),
        ([CT | {"series_uid": "../x"}], "a series_uid has the wrong form"),
        ([CT | {"series_uid": "1." + "2" * 63}], "a series_uid has the wrong form"),
        ([CT | {"participant": "../P"}], "a participant has a name that no file can have"),
        ([CT | {"crdc_series_uuid": "a b"}], "a crdc_series_uuid has the wrong form"),
        ([CT | {"study_year": None}], "no study year"),
        ([CT | {"study_year": 3}], "no study year"),
        ([CT | {"instances": 0}], "no files"),
        ([CT | {"size_mb": float("nan")}], "is missing somewhere"),
        ([CT | {"participant": None}], "is missing somewhere"),
        ([CT, MASK | {"study_year": 2}], "a mask belongs to an exam without"),
        ([CT, MASK | {"participant": "P-2"}], "a mask belongs to an exam without"),
    ],
)
def test_what_no_plan_says_is_refused(rows: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    write_plan(tmp_path, frame(*rows))
    with pytest.raises(CohortError, match=message):
        read_plan(tmp_path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="holds no plan"):
        read_plan(tmp_path)
    (tmp_path / "plan.parquet").write_bytes(plan_bytes(frame(CT))[:200])
    with pytest.raises(CohortError, match="damaged"):
        read_plan(tmp_path)
    pq.write_table(pa.table({"role": ["ct"]}), tmp_path / "plan.parquet")
    with pytest.raises(CohortError, match="lacks participant"):
        read_plan(tmp_path)
    pq.write_table(
        pa.table({name: ["ct"] for name in SCHEMA.names}),
        tmp_path / "plan.parquet",
    )
    with pytest.raises(CohortError, match="damaged or no plan"):
        read_plan(tmp_path)


def test_a_plan_of_endless_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plan(tmp_path, frame(CT))
    monkeypatch.setattr(index, "MOST_ROWS", 0)
    with pytest.raises(CohortError, match="damaged or no plan"):
        read_plan(tmp_path)
