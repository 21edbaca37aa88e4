"""NLST's series in the public index of the Imaging Data Commons (IDC), and what their SeriesDescriptions say."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lung_ssp.cohort.idc.index import read_collection
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms

MODALITIES = ("CT", "SEG", "SM")  # images, masks and slides; 256,000 structured reports are left out

FIELDS = 11
FIELD_OF_VIEW = 5  # may be "1,024", with a comma of its own
UNKNOWN = {"", "na", "null", "unkn", "unk"}
MAKERS = {"GE": "GE", "PH": "Philips", "SE": "Siemens", "TO": "Toshiba"}
TYPE = re.compile(r"[OD][PS][A-Z]?")  # of ImageType: original or derived, primary or secondary, axial, localizer ...
THOUSANDS = re.compile(r"\d{1,2},\d{3}")


def read_index(path: Path, collection: str, pseudonyms: Pseudonyms) -> pd.DataFrame:
    """The CT series, segmentations and slides of a collection, as `read_collection` gives them, with pseudonyms.

    Raises:
        CohortError: the file is missing, no index of IDC's, holds nothing of the collection, or lists a series twice.
    """
    series = read_collection(path, collection, MODALITIES)
    series["participant"] = series["participant"].map(pseudonyms.participant).astype("category")
    return series


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
