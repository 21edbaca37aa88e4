"""The public index of the Imaging Data Commons (IDC), a parquet file of one row a series, read for one collection."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lung_ssp.cohort.uids import LONGEST_UID, UID
from lung_ssp.errors import CohortError, EnvironmentProblem, shown

ROWS_AT_ONCE = 65_536  # the file is one row group of a million: reading all of it takes 1.5 GB
MOST_ROWS = 20_000_000  # of a parquet file; the index has one million
# what pyarrow raises of a damaged or foreign file
PARQUET_PROBLEMS = (pa.ArrowException, OSError, ValueError, OverflowError, NotImplementedError, MemoryError)
# The index's columns and the names they get here. Those whose values repeat are read as categories, which saves memory.
REPEATING = {
    "analysis_result_id": "analysis",
    "PatientID": "participant",
    "StudyInstanceUID": "study_uid",
    "StudyDate": "study_date",
    "Modality": "modality",
    "SeriesDescription": "description",
    "SeriesNumber": "series_number",
    "ManufacturerModelName": "model",
    "aws_bucket": "bucket",
}
OWN = {
    "SeriesInstanceUID": "series_uid",
    "crdc_series_uuid": "crdc_series_uuid",
    "instanceCount": "instances",
    "series_size_MB": "size_mb",
}
NUMBERS = ("instanceCount", "series_size_MB")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{2,62}")


def own_index() -> Path:
    """The index that idc-index-data ships.

    Raises:
        EnvironmentProblem: the package is not installed.
    """
    try:
        import idc_index_data
    except ImportError as error:
        raise EnvironmentProblem(
            "idc-index-data is not installed: install the extra nlst (pip install .[nlst])."
        ) from error
    return Path(str(idc_index_data.IDC_INDEX_PARQUET_FILEPATH))


def read_collection(
    path: Path, collection: str, modalities: Sequence[str] | None = None, repeating: Mapping[str, str] = REPEATING
) -> pd.DataFrame:
    """The series of a collection.

    Args:
        modalities: the wanted values of Modality (0008,0060); None for all.
        repeating: the index's columns whose values repeat, and their names in the result.

    Returns:
        one row a series: participant (PatientID), study_uid, series_uid, crdc_series_uuid, bucket, study_date,
        modality, description, series_number, model, analysis (analysis_result_id, "" for original images), instances
        (int), size_mb (float, of 1e6 bytes), and what else `repeating` names.

    Raises:
        CohortError: the file is missing, no index of IDC's, holds nothing of the collection, or lists a series twice.
    """
    if not path.is_file():
        raise CohortError(f"{path} does not exist: name IDC's index (a parquet file), or none for the installed one.")
    try:
        check_size(path)
        table = _read_rows(path, collection, modalities, repeating)
        series = table.to_pandas(self_destruct=True, split_blocks=True).rename(columns={**repeating, **OWN})
    except PARQUET_PROBLEMS as error:
        raise CohortError(f"{path} is no parquet file, or a damaged one: get it again.") from error
    del table
    pa.default_memory_pool().release_unused()
    for column in repeating.values():  # these still list the values of the whole index
        series[column] = series[column].astype("category").cat.remove_unused_categories()
    if series.empty:
        what = "series" if modalities is None else f"series of {', '.join(modalities)}"
        raise CohortError(f"{path} holds no {what} of the collection {shown(collection)}.")
    _check_identifiers(series, path)
    series["analysis"] = series["analysis"].cat.add_categories([""]).fillna("")
    return series


def check_size(path: Path) -> None:
    """Refuse a parquet file whose rows, few bytes each or none, would take all memory.

    Raises:
        ValueError: it has more than MOST_ROWS.
    """
    if pq.read_metadata(path).num_rows > MOST_ROWS:
        raise ValueError(f"more than {MOST_ROWS:,} rows")


def _read_rows(path: Path, collection: str, modalities: Sequence[str] | None, repeating: Mapping[str, str]) -> pa.Table:
    columns = ["collection_id", *repeating, *OWN]
    types = {field.name: field.type for field in pq.read_schema(path)}
    wrong = [name for name in columns if name not in types or not _may_be(types[name], number=name in NUMBERS)]
    if wrong:
        raise CohortError(f"{path} is no index of IDC's: it lacks {', '.join(wrong)}, or has them of another type.")
    file = pq.ParquetFile(path, read_dictionary=["collection_id", *repeating], memory_map=True)
    batches = []
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns):
        wanted = pc.equal(batch["collection_id"].cast(pa.string()), collection)
        if modalities is not None:
            modality = batch["Modality"].cast(pa.string())
            wanted = pc.and_(wanted, pc.is_in(modality, value_set=pa.array(modalities)))
        batches.append(batch.filter(wanted).drop_columns(["collection_id"]))
    return pa.Table.from_batches(batches, schema=None if batches else file.schema_arrow).unify_dictionaries()


def _may_be(kind: pa.DataType, number: bool) -> bool:
    """Whether a column of this type can hold numbers, or else texts; one without any value has no type."""
    if number:
        return pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)


def _check_identifiers(series: pd.DataFrame, path: Path) -> None:
    """Refuse identifiers that would make a wrong folder or a wrong line of the manifest."""
    for column, form in (("series_uid", UID), ("study_uid", UID), ("crdc_series_uuid", UUID), ("bucket", BUCKET)):
        values = series[column]
        each = values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else values
        texts = pa.array(each, pa.string())
        fits = pc.and_(
            pc.match_substring_regex(texts, f"^{form.pattern}$"), pc.less_equal(pc.utf8_length(texts), LONGEST_UID)
        )
        wrong = len(each) - (pc.sum(fits).as_py() or 0) + (values.isna().sum() if each is not values else 0)
        if wrong:
            raise CohortError(f"{path}: {wrong} values of {column} have the wrong form: get the index again.")
    if not series["series_uid"].is_unique:
        raise CohortError(f"{path} names a series twice: get the index again.")
    if series[["instances", "size_mb"]].isna().to_numpy().any():
        raise CohortError(f"{path}: a series has no instanceCount or series_size_MB: get the index again.")
