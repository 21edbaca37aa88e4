"""The manifest of a cohort: a CSV file that lists lesions, read and checked.

Columns of the manifest, one row a lesion in one scan:

    patient           who it belongs to; all rows of a patient go into one split
    split             train, validation or test; the column may be missing, and the cohort is then split by patient
    series            folder of the DICOM series, or a volume of Hounsfield units (.nrrd, .nii, .nii.gz, .mha)
    x_mm, y_mm, z_mm  centre of the lesion in the patient's coordinates (LPS, as in DICOM), with
    diameter_mm       its diameter; or, instead of these four,
    mask              a file with the lesion's mask: an image (.nrrd, .nii, .nii.gz, .mha) of any orientation and grid,
                      which goes onto the voxels of the series by its coordinates, or .npz with an array `mask`
                      (z, y, x) of the series' shape, z towards the head, or LIDC's .xml, whose nodules are numbered
                      from 1
    mask_value        which value in the mask is the lesion; empty: everything but 0
    image_label       the reader's opinion, 0..8 or the name of the class; empty: not known
    pathology_label   the pathology, likewise

Paths are relative to the manifest's folder and stay inside it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lung_ssp.cohort.classes import CLASS_NAMES, MISSING
from lung_ssp.cohort.store import SPLITS
from lung_ssp.errors import CohortError, LungSspError, shown
from lung_ssp.paths import inside

POSITION = ("x_mm", "y_mm", "z_mm", "diameter_mm")
REQUIRED = ("patient", "series")
OPTIONAL = ("split", *POSITION, "mask", "mask_value", "image_label", "pathology_label")


@dataclass(frozen=True)
class Row:
    """One lesion of the manifest.

    number: its line in the file, the header being line 1. split: empty if not given. position: (x, y, z) mm and
    diameter_mm, or None where there is a mask. labels: 0..8 or -1, of the reader and the pathology.
    """

    number: int
    patient: str
    split: str
    series: Path
    position: tuple[float, float, float, float] | None
    mask: Path | None
    mask_value: int | None
    labels: tuple[int, int]


def read_manifest(path: Path) -> list[Row]:
    """Read and check a manifest.

    Raises:
        CohortError: it does not exist, has no rows or wrong columns, or a row is wrong; it is named by its line.
    """
    if not path.is_file():
        raise CohortError(f"The manifest {path} does not exist.")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise CohortError(f"The manifest {path} is no CSV file in UTF-8 ({error}).") from error
    missing = [name for name in REQUIRED if name not in table.columns]
    unknown = [name for name in table.columns if name not in REQUIRED + OPTIONAL]
    if missing or unknown:
        problem = f"lacks the column '{missing[0]}'" if missing else f"has an unknown column '{unknown[0]}'"
        raise CohortError(f"The manifest {path} {problem}: its columns are {', '.join(REQUIRED + OPTIONAL)}.")
    if table.empty:
        raise CohortError(f"The manifest {path} has no rows.")
    records = ({name: text.strip() for name, text in record.items()} for record in table.to_dict("records"))
    return [_Line(path, number, record).row() for number, record in enumerate(records, start=2)]


@dataclass(frozen=True)
class _Line:
    """Reads the fields of one line of the manifest and names the line in every error."""

    manifest: Path
    number: int
    record: dict[str, str]

    def row(self) -> Row:
        has_position = [bool(self.record.get(name)) for name in POSITION]
        mask = self.record.get("mask")
        if any(has_position) and not all(has_position):
            raise self.problem(f"{POSITION[has_position.index(False)]} is missing beside the other three of a position")
        if any(has_position) == bool(mask):
            raise self.problem(f"it needs either a mask or {', '.join(POSITION)}, not both")
        split = self.record.get("split", "")
        if split and split not in SPLITS:
            raise self.problem(f"the split '{split}' is none of {', '.join(SPLITS)}")
        if not self.record["patient"]:
            raise self.problem("the patient is missing")
        mask_value = self.record.get("mask_value", "")
        if mask_value and not mask_value.isdecimal():
            raise self.problem(f"mask_value is '{mask_value}', not a whole number")
        return Row(
            number=self.number,
            patient=self.record["patient"],
            split=split,
            series=self._path("series"),
            position=self._position() if all(has_position) else None,
            mask=self._path("mask") if mask else None,
            mask_value=int(mask_value) if mask_value else None,
            labels=(self._label("image_label"), self._label("pathology_label")),
        )

    def problem(self, what: str) -> CohortError:
        return CohortError(f"The manifest {self.manifest}, line {self.number}: {what}.")

    def _position(self) -> tuple[float, float, float, float]:
        x, y, z, diameter = (self._number_of(name) for name in POSITION)
        if diameter <= 0:
            raise self.problem(f"diameter_mm must be positive, but is {diameter:g}")
        return x, y, z, diameter

    def _number_of(self, name: str) -> float:
        try:
            value = float(self.record[name])
        except ValueError:
            raise self.problem(f"{name} is '{self.record[name]}', not a number") from None
        if not np.isfinite(value):
            raise self.problem(f"{name} is '{self.record[name]}', not a finite number")
        return value

    def _path(self, name: str) -> Path:
        text = self.record[name]
        try:
            path = inside(self.manifest.parent, text)
        except LungSspError as error:
            raise self.problem(f"{name} is {error}") from None
        if not path.exists():
            raise self.problem(f"{name} {shown(text)} does not exist in {self.manifest.parent}")
        return path.resolve()

    def _label(self, name: str) -> int:
        text = self.record.get(name, "")
        if not text:
            return MISSING
        if text in CLASS_NAMES:
            return CLASS_NAMES.index(text)
        if text.isdecimal() and int(text) < len(CLASS_NAMES):
            return int(text)
        raise self.problem(f"{name} is '{text}': it must be 0 to {len(CLASS_NAMES) - 1}, one of the names, or empty")
