"""Small inputs in NLST's formats."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

NLST_TABLES = {
    "prsn": {
        "pid": [100001, 100002, 100003],
        "can_scr": [1, 0, 4],
        "cancyr": [1, None, 5],
        "candx_days": [500, None, 2000],
        "scr_days0": [10, 5, 20],
        "scr_days1": [380, 370, None],
        "scr_days2": [None, 735, None],
        "scr_res0": [4, 1, 4],
        "scr_res1": [4, 1, 15],
        "scr_res2": [23, 2, 15],
        "de_stag": [110, None, 400],
        "de_stag_7thed": [110, None, None],
        **{name: [0, None, 0] for name in ("loccar", "locmed", "locoth", "locunk", "locrhil", "locrmsb", "loclmsb")},
        **{name: [0, None, 0] for name in ("locrmid", "locrlow", "loclup", "loclin", "locllow")},
        "locrup": [1, None, 0],
        "loclhil": [0, None, 1],
    },
    "canc": {
        "pid": [100001, 100001, 100003],
        "lc_order": [1, 2, 1],
        "lc_morph": [8140, 8070, 8041],
        "lc_topog": ["C34.1", "C34.3", "C34.1"],
        "candx_days": [500, 800, 2000],
        "de_stag": [110, 320, 400],
        "de_stag_7thed": [110, None, None],
    },
    "ctab": {
        "pid": [100001, 100001, 100001, 100003],
        "study_yr": [0, 1, 1, 0],
        "sct_ab_num": [1, 1, 2, 1],
        "sct_ab_desc": [51, 51, 59, 51],
        "sct_epi_loc": [1, 1, None, 8],
        "sct_slice_num": [80, 82, None, 999],
        "sct_margins": [2, 1, None, 9],
        "sct_pre_att": [1, 3, None, 9],
        "sct_long_dia": [8, 12.5, None, 6],
        "sct_perp_dia": [6, 9, None, None],
    },
    "ctabc": {
        "pid": [100001],
        "study_yr": [1],
        "sct_ab_num": [1],
        "sct_ab_code": [51],
        "sct_ab_preexist": [2],
        "sct_ab_gwth": [2],
        "sct_ab_attn": [1],
    },
    "screen": {
        "pid": [100001, 100001, 100002, 100002, 100003],
        "study_yr": [0, 1, 0, 1, 0],
        "ctdxqual": [1, 2, 1, 1, 3],
    },
}


@pytest.fixture
def nlst_tables(tmp_path: Path) -> Callable[..., Path]:
    """Writes the tables of three invented participants as nlst_*.csv; a change replaces or drops a column."""

    def make(**changes: dict[str, Any]) -> Path:
        folder = tmp_path / "tables"
        folder.mkdir()
        for name, columns in NLST_TABLES.items():
            merged = {**columns, **changes.get(name, {})}
            kept = {column: values for column, values in merged.items() if not isinstance(values, str)}
            pd.DataFrame(kept).convert_dtypes().to_csv(folder / f"nlst_{name}.csv", index=False)
        return folder

    return make


@pytest.fixture
def mask_row(index_row: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Makes a segmentation in the columns of IDC's index, which names the series number of its CT."""

    def row(number: int, analysis: str, of: int, **changes: Any) -> dict[str, Any]:
        own = {
            "analysis_result_id": analysis,
            "Modality": "SEG",
            "SeriesDescription": f"NLSTSeg Segmentation of Series: {of}",
            "SeriesNumber": str(100 * of),
            "instanceCount": 1,
            "series_size_MB": 0.5,
        }
        return index_row(number, **(own | changes))

    return row
