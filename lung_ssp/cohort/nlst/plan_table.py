"""The plan as a table: one row for each series to download."""

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lung_ssp.cohort.idc.download import problem_of_series
from lung_ssp.cohort.idc.index import PARQUET_PROBLEMS, check_size
from lung_ssp.errors import CohortError, shown
from lung_ssp.files import write_atomically
from lung_ssp.paths import is_plain_name

FILE = "plan.parquet"
CT, LESION_MASK, LUNG_MASK, SLIDE = ROLES = ("ct", "lesion_mask", "lung_mask", "slide")
# study_year: 0 to 2, null for slides; size_mb: of 1e6 bytes; source: the masks' analysis_result_id, else "".
# maker and below: of CT only, null elsewhere; has_boxes: whether a file of lesion boxes names the series.
SCHEMA = pa.schema(
    [
        ("role", pa.string()),
        ("participant", pa.string()),
        ("study_year", pa.int64()),
        ("series_uid", pa.string()),
        ("study_uid", pa.string()),
        ("crdc_series_uuid", pa.string()),
        ("instances", pa.int64()),
        ("size_mb", pa.float64()),
        ("source", pa.string()),
        ("maker", pa.string()),
        ("model", pa.string()),
        ("kernel", pa.string()),
        ("thickness_mm", pa.float64()),
        ("field_mm", pa.float64()),
        ("has_boxes", pa.bool_()),
    ]
)
ALWAYS = ("role", "participant", "series_uid", "study_uid", "crdc_series_uuid", "instances", "size_mb", "source")
# pandas' types that keep a missing number apart from 0 and NaN
NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}


def plan_bytes(plan: pd.DataFrame) -> bytes:
    """The plan as a parquet file; the same plan gives the same bytes."""
    table = pa.Table.from_pandas(plan, schema=SCHEMA, preserve_index=False).replace_schema_metadata(None)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def write_plan(out: Path, plan: pd.DataFrame) -> None:
    """Write <out>/plan.parquet, atomically."""
    content = plan_bytes(plan)
    write_atomically(Path(out) / FILE, lambda file: file.write(content))


def read_plan(out: Path) -> pd.DataFrame:
    """Read and check <out>/plan.parquet.

    Returns:
        the columns of SCHEMA; text as str or None, study_year and instances Int64, has_boxes boolean, lengths and
        size float.

    Raises:
        CohortError: there is no plan, it is damaged, or it contradicts itself.
    """
    path = Path(out) / FILE
    if not path.is_file():
        raise CohortError(f"{out} holds no plan: make one with lung-ssp prepare plan.")
    try:
        check_size(path)
        table = pq.read_table(path)
        absent = [name for name in SCHEMA.names if name not in table.column_names]
        if absent:
            raise CohortError(f"{path} is no plan, it lacks {', '.join(absent)}: make the plan again.")
        table = table.select(SCHEMA.names).cast(SCHEMA)
        plan = table.replace_schema_metadata(None).to_pandas(types_mapper=NULLABLE.get)
    except PARQUET_PROBLEMS as error:
        raise CohortError(f"{path} is damaged or no plan: make the plan again.") from error
    plan = plan.astype({field.name: "object" for field in SCHEMA if field.type == pa.string()})
    problem = problem_of(plan)
    if problem:
        raise CohortError(f"{path}: {problem}: make the plan again.")
    return plan


def problem_of(plan: pd.DataFrame) -> str:
    """What is wrong with a plan, as part of a sentence; "" where nothing is."""
    if plan[list(ALWAYS)].isna().to_numpy().any():
        return f"one of {', '.join(ALWAYS)} is missing somewhere"
    if not all(map(is_plain_name, plan["participant"].unique())):
        return "a participant has a name that no file can have"
    other = sorted(set(plan["role"]) - set(ROLES))
    if other:
        return f"{shown(other[0])} is no role"
    if problem := problem_of_series(plan):
        return problem
    ct, masks = plan[plan["role"].eq(CT)], plan[plan["role"].isin((LESION_MASK, LUNG_MASK))]
    exam = ["participant", "study_year"]
    if not ct["study_year"].isin((0, 1, 2)).all():
        return "a CT series has no study year of 0, 1 or 2"
    if ct.duplicated(exam).any():
        return "an exam has two CT series"
    if not pd.MultiIndex.from_frame(masks[exam]).isin(pd.MultiIndex.from_frame(ct[exam])).all():
        return "a mask belongs to an exam without a CT series"
    return ""
