"""The public index of the Imaging Data Commons (IDC), read for one collection, and what its SeriesDescriptions say."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.uids import LONGEST_UID, UID
from lung_ssp.errors import CohortError, EnvironmentProblem, shown

ROWS_AT_ONCE = 65_536  # the file is one row group of a million: reading all of it takes 1.5 GB
MOST_ROWS = 20_000_000  # of a parquet file; the index has one million
# what pyarrow raises of a damaged or foreign file
PARQUET_PROBLEMS = (pa.ArrowException, OSError, ValueError, OverflowError, NotImplementedError, MemoryError)
MODALITIES = ("CT", "SEG", "SM")  # images, masks and slides; 256,000 structured reports are left out
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

FIELDS = 11
FIELD_OF_VIEW = 5  # may be "1,024", with a comma of its own
UNKNOWN = {"", "na", "null", "unkn", "unk"}
MAKERS = {"GE": "GE", "PH": "Philips", "SE": "Siemens", "TO": "Toshiba"}
TYPE = re.compile(r"[OD][PS][A-Z]?")  # of ImageType: original or derived, primary or secondary, axial, localizer ...
THOUSANDS = re.compile(r"\d{1,2},\d{3}")


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


def read_index(path: Path, collection: str, pseudonyms: Pseudonyms) -> pd.DataFrame:
    """The CT series, segmentations and slides of a collection.

    Returns:
        one row a series: participant (pseudonym), study_uid, series_uid, crdc_series_uuid, bucket, study_date,
        modality, description, series_number, model, analysis (analysis_result_id, "" for original images), instances
        (int), size_mb (float, of 1e6 bytes).

    Raises:
        CohortError: the file is missing, no index of IDC's, holds nothing of the collection, or lists a series twice.
    """
    if not path.is_file():
        raise CohortError(f"{path} does not exist: name IDC's index (a parquet file), or none for the installed one.")
    try:
        check_size(path)
        table = _read_rows(path, collection)
        series = table.to_pandas(self_destruct=True, split_blocks=True).rename(columns={**REPEATING, **OWN})
    except PARQUET_PROBLEMS as error:
        raise CohortError(f"{path} is no parquet file, or a damaged one: get it again.") from error
    del table
    pa.default_memory_pool().release_unused()
    for column in REPEATING.values():  # these still list the values of the whole index
        series[column] = series[column].astype("category").cat.remove_unused_categories()
    if series.empty:
        raise CohortError(f"{path} holds no CT series, masks or slides of the collection {shown(collection)}.")
    _check_identifiers(series, path)
    series["participant"] = series["participant"].map(pseudonyms.participant).astype("category")
    series["analysis"] = series["analysis"].cat.add_categories([""]).fillna("")
    return series


def check_size(path: Path) -> None:
    """Refuse a parquet file whose rows, few bytes each or none, would take all memory.

    Raises:
        ValueError: it has more than MOST_ROWS.
    """
    if pq.read_metadata(path).num_rows > MOST_ROWS:
        raise ValueError(f"more than {MOST_ROWS:,} rows")


def _read_rows(path: Path, collection: str) -> pa.Table:
    columns = ["collection_id", *REPEATING, *OWN]
    types = {field.name: field.type for field in pq.read_schema(path)}
    wrong = [name for name in columns if name not in types or not _may_be(types[name], number=name in NUMBERS)]
    if wrong:
        raise CohortError(f"{path} is no index of IDC's: it lacks {', '.join(wrong)}, or has them of another type.")
    file = pq.ParquetFile(path, read_dictionary=["collection_id", *REPEATING], memory_map=True)
    batches = []
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns):
        wanted = pc.and_(
            pc.equal(batch["collection_id"].cast(pa.string()), collection),
            pc.is_in(batch["Modality"].cast(pa.string()), value_set=pa.array(MODALITIES)),
        )
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


@dataclass(frozen=True)
class SeriesDescription:
    """What NLST's SeriesDescription says of how a series was made.

    Eleven fields, e.g. `2,OPA,GE,LSPLUS,STANDARD,360,2.5,120,80,0.1,1.5`: screening year, type, maker, model, kernel,
    field of view (mm), slice thickness (mm), tube voltage, current, effective current, pitch. Unknown ones are na,
    null, unkn, UNK or 0.

    study_year: 0, 1 or 2 (T0 to T2).
    type: e.g. OPA (original primary axial) or OPL (original primary localizer).
    kernel: "" where unknown.
    field_mm, thickness_mm: NaN where unknown.
    """

    study_year: int
    type: str
    maker: str
    model: str
    kernel: str
    field_mm: float
    thickness_mm: float

    @property
    def is_localizer(self) -> bool:
        """Whether it is a projection that the scan was planned on."""
        return self.type.endswith("L")


def parse_description(text: str) -> SeriesDescription | None:
    """The fields of a SeriesDescription, None where it does not have NLST's form."""
    fields = [field.strip() for field in text.split(",")]
    halves = fields[FIELD_OF_VIEW : FIELD_OF_VIEW + 2]
    if len(fields) == FIELDS + 1 and THOUSANDS.fullmatch(",".join(halves)):
        fields[FIELD_OF_VIEW : FIELD_OF_VIEW + 2] = ["".join(halves)]
    if len(fields) != FIELDS or fields[0] not in {"0", "1", "2"} or not TYPE.fullmatch(fields[1]):
        return None
    field_mm, thickness_mm = _length(fields[FIELD_OF_VIEW]), _length(fields[FIELD_OF_VIEW + 1])
    if field_mm is None or thickness_mm is None:
        return None
    year, kind, maker, model, kernel = fields[:FIELD_OF_VIEW]
    kernel = "" if kernel.lower() in UNKNOWN else kernel
    return SeriesDescription(int(year), kind, MAKERS.get(maker, maker), model, kernel, field_mm, thickness_mm)


def parse_descriptions(texts: pd.Series) -> pd.DataFrame:
    """The fields of many SeriesDescriptions, one row each on the same index, all missing where one cannot be parsed.

    Columns: study_year (Int64), type, maker, kernel (text), field_mm, thickness_mm (float), localizer (bool).
    """
    values = pd.Categorical(texts)
    parsed = [parse_description(text) for text in values.categories]
    each = pd.DataFrame({"study_year": pd.array([getattr(part, "study_year", None) for part in parsed], dtype="Int64")})
    for name in ("type", "maker", "kernel"):
        each[name] = pd.Categorical([getattr(part, name, None) for part in parsed])
    for name in ("field_mm", "thickness_mm"):
        each[name] = [getattr(part, name, math.nan) for part in parsed]
    each["localizer"] = [bool(part and part.is_localizer) for part in parsed]
    rows = each.reindex(values.codes)  # code -1, a missing description, gives a row of nothing
    rows["localizer"] = rows["localizer"].eq(True)
    return rows.set_index(texts.index)


def _length(field: str) -> float | None:
    """A length in mm, NaN where it is unknown (or 0, which no length is), None where the field is no number."""
    if field.lower() in UNKNOWN:
        return math.nan
    try:
        value = float(field)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else math.nan
