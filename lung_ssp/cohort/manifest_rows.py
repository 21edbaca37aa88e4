"""The manifest of a cohort: a CSV file that lists lesions, read and checked.

Columns of the manifest, one row a lesion in one scan:

    patient           who it belongs to; all rows of a patient go into one split
    split             train, validation or test; the column may be missing, and the cohort is then split by patient
    series            folder of the DICOM series, or a volume of Hounsfield units (.nrrd, .nii, .nii.gz, .mha, .mhd)
    series_uid        which series, its SeriesInstanceUID, where the folder holds several; the column may be missing
    x_mm, y_mm, z_mm  centre of the lesion in the patient's coordinates (LPS, as in DICOM), with
    diameter_mm       its diameter; or, instead of these four,
    mask              a file with the lesion's mask: an image (.nrrd, .nii, .nii.gz, .mha) of any orientation and grid,
                      which goes onto the voxels of the series by its coordinates, or .npz with an array `mask`
                      (z, y, x) of the series' shape, z towards the head, or LIDC's .xml, whose nodules are numbered
                      from 1
    mask_value        which value in the mask is the lesion, from 1; empty: everything but 0
    image_label       the reader's opinion, 0..8 or the name of the class; empty: not known
    pathology_label   the pathology, likewise

Paths are relative to the manifest's folder and stay inside it. Fields are separated by commas, semicolons or tabs, as
the first line has them. Blank lines and rows of empty fields are left out; a whole number may be written 1.0.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lung_ssp.cohort.classes import CLASS_NAMES, MISSING
from lung_ssp.cohort.store import SPLITS, check_patient
from lung_ssp.cohort.uids import is_uid
from lung_ssp.errors import CohortError, DamagedFile, LungSspError, cut, shown
from lung_ssp.files import read_bytes
from lung_ssp.paths import inside
from lung_ssp.records import delimiter_of, parse_table

POSITION = ("x_mm", "y_mm", "z_mm", "diameter_mm")
REQUIRED = ("patient", "series")
OPTIONAL = ("split", "series_uid", *POSITION, "mask", "mask_value", "image_label", "pathology_label")

LARGEST_DIAMETER_MM = 300.0  # a chest is hardly wider
NUMBER = re.compile(r"[+-]?(\d{1,50}\.?\d{0,50}|\.\d{1,50})([eE][+-]?\d{1,3})?", re.ASCII)
WHOLE = re.compile(r"\d{1,18}(\.0{0,18})?", re.ASCII)


@dataclass(frozen=True)
class Row:
    """One lesion of the manifest.

    number: its line in the file, the first being 1. split: empty if not given. position: (x, y, z) mm and
    diameter_mm, or None where there is a mask. labels: 0..8 or -1, of the reader and the pathology. series_uid: None
    where the source holds one series.
    """

    number: int
    patient: str
    split: str
    series: Path
    position: tuple[float, float, float, float] | None
    mask: Path | None
    mask_value: int | None
    labels: tuple[int, int]
    series_uid: str | None = None


def read_manifest(path: Path) -> list[Row]:
    """Read and check a manifest.

    Raises:
        CohortError: it does not exist, has no rows or wrong columns, or a row is wrong; it is named by its line.
    """
    if not path.exists():
        raise CohortError(
            f"The manifest {path} does not exist: name the CSV file that lists the lesions (cohort.manifest)."
        )
    try:
        content = read_bytes(path)
        table = parse_table(content, delimiter_of(content), pad=True)
    except DamagedFile as error:
        raise CohortError(f"The manifest {error}") from error
    except ValueError as error:
        raise CohortError(
            f"The manifest {path} cannot be read as a table, {cut(error)}: save it as CSV in UTF-8, one field a column."
        ) from error
    missing = [name for name in REQUIRED if name not in table.columns]
    unknown = [name for name in table.columns if name not in REQUIRED + OPTIONAL]
    if missing or unknown:
        problem = f"lacks the column '{missing[0]}'" if missing else f"has an unknown column {shown(unknown[0])}"
        raise CohortError(f"The manifest {path} {problem}: its columns are {', '.join(REQUIRED + OPTIONAL)}.")
    if not table.lines:
        raise CohortError(f"The manifest {path} has no rows: list a lesion in each line below the columns' names.")
    found: dict[str, Path] = {}
    return [
        _Line(path, line.number, dict(zip(table.columns, map(str.strip, line.fields), strict=True)), found).row()
        for line in table.lines
    ]


@dataclass(frozen=True)
class _Line:
    """Reads the fields of one line of the manifest and names the line in every error.

    found: the paths of the lines before, by what stands for them: many lines name one series.
    """

    manifest: Path
    number: int
    record: dict[str, str]
    found: dict[str, Path]

    def row(self) -> Row:
        has_position = [bool(self.record.get(name)) for name in POSITION]
        mask = self.record.get("mask")
        if any(has_position) and not all(has_position):
            raise self.problem(f"{POSITION[has_position.index(False)]} is missing beside the other three of a position")
        if self.record.get("mask_value") and not mask:
            raise self.problem("it has a mask_value but no mask: name the mask, or leave the value empty")
        if any(has_position) == bool(mask):
            raise self.problem(f"it needs either a mask or {', '.join(POSITION)}, not both")
        split = self.record.get("split", "")
        if split and split not in SPLITS:
            raise self.problem(f"the split {shown(split)} is none of {', '.join(SPLITS)}")
        if not self.record["patient"]:
            raise self.problem("the patient is missing")
        try:
            check_patient(self.record["patient"])
        except ValueError as error:
            raise self.problem(f"the patient is {shown(self.record['patient'])}: {error}") from None
        series_uid = self.record.get("series_uid", "")
        if series_uid and not is_uid(series_uid):
            raise self.problem(f"series_uid is {shown(series_uid)}, not a SeriesInstanceUID such as 1.2.840.113619.2")
        return Row(
            number=self.number,
            patient=self.record["patient"],
            split=split,
            series=self._path("series"),
            position=self._position() if all(has_position) else None,
            mask=self._path("mask") if mask else None,
            mask_value=self._mask_value(),
            series_uid=series_uid or None,
            labels=(self._label("image_label"), self._label("pathology_label")),
        )

    def problem(self, what: str) -> CohortError:
        return CohortError(f"The manifest {self.manifest}, line {self.number}: {what}.")

    def _position(self) -> tuple[float, float, float, float]:
        x, y, z, diameter = (self._number_of(name) for name in POSITION)
        if diameter <= 0:
            raise self.problem(f"diameter_mm must be positive, but is {diameter:g}")
        if diameter > LARGEST_DIAMETER_MM:
            raise self.problem(f"diameter_mm is {diameter:g}, a lesion has at most {LARGEST_DIAMETER_MM:g} mm")
        return x, y, z, diameter

    def _number_of(self, name: str) -> float:
        text = self.record[name]
        if not NUMBER.fullmatch(text) and text.lower() not in ("nan", "inf", "-inf"):
            point = " (write it with a decimal point)" if NUMBER.fullmatch(text.replace(",", ".")) else ""
            raise self.problem(f"{name} is {shown(text)}, not a number{point}")
        value = float(text)
        if not np.isfinite(value):
            raise self.problem(f"{name} is {shown(text)}, not a finite number")
        return value

    def _mask_value(self) -> int | None:
        text = self.record.get("mask_value", "")
        if not text:
            return None
        if not WHOLE.fullmatch(text):
            raise self.problem(f"mask_value is {shown(text)}, not a whole number")
        if not (value := int(text.partition(".")[0])):
            raise self.problem("mask_value is 0, the background of a mask: give the lesion's value, or leave it empty")
        return value

    def _path(self, name: str) -> Path:
        text = self.record[name]
        if text not in self.found:
            try:
                path = inside(self.manifest.parent, text)
            except LungSspError as error:
                raise self.problem(f"{name} is {error}") from None
            if not path.exists():
                raise self.problem(f"{name} {shown(text)} does not exist in {self.manifest.parent}")
            self.found[text] = path.resolve()
        return self.found[text]

    def _label(self, name: str) -> int:
        text = self.record.get(name, "")
        if not text:
            return MISSING
        if text in CLASS_NAMES:
            return CLASS_NAMES.index(text)
        if WHOLE.fullmatch(text) and int(text.partition(".")[0]) < len(CLASS_NAMES):
            return int(text.partition(".")[0])
        raise self.problem(
            f"{name} is {shown(text)}: it must be 0 to {len(CLASS_NAMES) - 1}, one of the names, or empty"
        )
