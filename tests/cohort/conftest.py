"""An index in the form of the Imaging Data Commons'."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest


@pytest.fixture
def index_row() -> Callable[..., dict[str, Any]]:
    """Makes a series in the columns of IDC's index: a CT of participant 100001's first year, unless changed."""

    def row(number: int, **changes: Any) -> dict[str, Any]:
        own = {
            "collection_id": "nlst",
            "analysis_result_id": None,
            "PatientID": "100001",
            "SeriesInstanceUID": f"1.2.3.{number}",
            "StudyInstanceUID": "1.2.9.1",
            "StudyDate": "1999-01-02",
            "Modality": "CT",
            "SeriesDescription": "0,OPA,GE,LSPLUS,STANDARD,360,2.5,120,80,0.1,1.5",
            "SeriesNumber": "2",
            "ManufacturerModelName": "LightSpeed Plus",
            "instanceCount": 150,
            "crdc_series_uuid": f"{number:08x}-0000-4000-8000-000000000000",
            "aws_bucket": "idc-open-data",
            "series_size_MB": 80.0,
        }
        return own | changes

    return row


@pytest.fixture
def write_index(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows as a parquet file in the form of IDC's index."""

    def write(rows: list[dict[str, Any]], name: str = "index.parquet") -> Path:
        pd.DataFrame(rows).to_parquet(tmp_path / name, index=False)
        return tmp_path / name

    return write
