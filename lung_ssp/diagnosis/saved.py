"""A diagnosis read back from its folder, checked as any file from outside."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from lung_ssp.diagnosis.output import FINDINGS_FILE, UNFINISHED
from lung_ssp.errors import DamagedFile
from lung_ssp.paths import is_plain_name
from lung_ssp.records import TableRow, read_record
from lung_ssp.settings import Three


def check_plain(name: str) -> str:
    """Raises a ValueError where a name leads out of its folder."""
    if not is_plain_name(name):
        raise ValueError("is no plain name")
    return name


PlainName = Annotated[str, AfterValidator(check_plain)]


class SavedFinding(TableRow):
    """What findings.json says of one finding; lengths in mm, volumes in mm3, positions in LPS coordinates."""

    number: int
    centre_lps_mm: Annotated[list[float], Three]
    slice_index: int
    diameter_mm: float
    longest_axial_diameter_mm: float
    volume_mm3: float
    mean_hu: float
    score: float
    nodule_probability: float | None = None
    image_diagnosis: dict[str, float] | str
    pathology_diagnosis: dict[str, float] | str
    figure: PlainName | None = None


class SavedSide(TableRow):
    """What findings.json says of one lung."""

    volume_ml: float


class SavedLungs(TableRow):
    """What findings.json says of the lungs."""

    volume_ml: float
    right: SavedSide
    left: SavedSide
    remarks: list[str]


class SavedSeries(TableRow):
    """What findings.json says of the series."""

    series_uid: str
    shape_zyx: Annotated[list[int], Three]
    spacing_zyx_mm: Annotated[list[float], Three]


class SavedDiagnosis(TableRow):
    """What findings.json says of a scan."""

    series: SavedSeries
    corrections: list[str]
    doubts: list[str]
    left_out: dict[str, list[str]]
    lungs: SavedLungs
    files: list[PlainName] = Field(description="that were written beside it")
    not_written: dict[str, str] = Field(description="by format, why it was not written though it is a default one")
    findings: list[SavedFinding] = Field(description="the most suspicious first")


def read_diagnosis(folder: Path) -> SavedDiagnosis | None:
    """The diagnosis in a folder, None where it is not complete or damaged."""
    if not (folder / FINDINGS_FILE).is_file() or (folder / UNFINISHED).exists():
        return None
    try:
        saved = read_record(folder / FINDINGS_FILE, SavedDiagnosis)
    except DamagedFile:
        return None
    return saved if all((folder / name).is_file() for name in saved.files) else None
