"""The formats in which a diagnosis is written: their names, their files, and who writes them, loaded when it does."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lung_ssp.errors import ConfigError

if TYPE_CHECKING:
    from lung_ssp.ct.dicom_source import DicomSource
    from lung_ssp.ct.source import Source

FINDING_FIGURE = "finding-{:02d}.png"  # by the finding's number
NO_SLICES = "the scan was not read from DICOM slices, to which {} refers"


@dataclass(frozen=True)
class Format:
    """One format.

    writer: "module:function", called with the Diagnosis and its folder; loaded when it is first called.
    files: that are always written. of_findings: that are written where there are findings.
    of_each: the file of each finding, by its number; empty for none.
    step: what its time is called.
    refers: whether it refers to DICOM slices, so that it cannot be made of a scan without them.
    is_default: whether it is written where no formats are named.
    """

    writer: str
    files: tuple[str, ...]
    of_findings: tuple[str, ...] = ()
    of_each: str = ""
    step: str = ""
    refers: bool = False
    is_default: bool = False

    def names(self, findings: int) -> list[str]:
        """The files of a diagnosis with so many findings."""
        each = [self.of_each.format(number + 1) for number in range(findings)] if self.of_each else []
        return [*self.files, *(self.of_findings if findings else ()), *each]

    @property
    def pattern(self) -> str:
        """A regular expression of the names of its files."""
        each = [re.sub(r"\\\{[^}]*\\\}", r"\\d+", re.escape(self.of_each))] if self.of_each else []
        return "|".join([*map(re.escape, self.files + self.of_findings), *each])

    def write(self, diagnosis: Any, folder: Path) -> None:
        """Write the files of a Diagnosis."""
        module, function = self.writer.split(":")
        writer: Callable[[Any, Path], object] = getattr(import_module(module), function)
        writer(diagnosis, folder)


FORMATS = {
    "png": Format(
        "lung_ssp.diagnosis.pictures:write_pictures",
        ("lungs.png",),
        of_each=FINDING_FIGURE,
        step="figures",
        is_default=True,
    ),
    "html": Format("lung_ssp.diagnosis.report.page:write_report", ("report.html",), step="report", is_default=True),
    "seg": Format(
        "lung_ssp.diagnosis.dicom.segmentation:write_segmentations",
        ("lungs-seg.dcm",),
        of_findings=("findings-seg.dcm",),
        refers=True,
        is_default=True,
    ),
    "sr": Format(
        "lung_ssp.diagnosis.dicom.report:write_structured_report", ("findings-sr.dcm",), refers=True, is_default=True
    ),
    "csv": Format("lung_ssp.diagnosis.report.table:write_findings_csv", ("findings.csv",)),
    "nifti": Format("lung_ssp.diagnosis.volumes:write_nifti", ("lungs.nii.gz", "findings.nii.gz")),
    "nrrd": Format("lung_ssp.diagnosis.volumes:write_nrrd", ("lungs.nrrd", "findings.nrrd")),
}
DEFAULT = tuple(name for name, one in FORMATS.items() if one.is_default)
TITLES = {"seg": "DICOM-SEG", "sr": "DICOM-SR"}


@dataclass(frozen=True)
class Outputs:
    """What is written of each diagnosis, beside findings.json.

    formats: their names; None: the default ones, as far as the scan allows them.
    keep_patient: whether seg and sr name the patient and the study, as an archive needs it.
    """

    formats: tuple[str, ...] | None = None
    keep_patient: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of the formats, also where none were named."""
        return DEFAULT if self.formats is None else self.formats

    def check_source(self, source: "Source") -> None:
        """Refuse a volume file, before it is read, where a format was named that refers to DICOM slices.

        Raises:
            ConfigError: naming the format.
        """
        from lung_ssp.ct.volume_file import is_volume_file  # not for the command line's help

        if isinstance(source, str | Path) and is_volume_file(Path(source)) and not Path(source).is_dir():
            self.check_reference(str(source), NO_SLICES)

    def check_reference(self, scan: str, why_not: str) -> None:
        """Refuse a scan where a format was named, or the patient is to be, that cannot refer to it.

        Args:
            scan: its name in the message.
            why_not: why nothing can refer to it, with {} for what would; empty where it can.

        Raises:
            ConfigError: naming the format.
        """
        referring = [name for name in self.names if FORMATS[name].refers]
        if not why_not or not referring or (self.formats is None and not self.keep_patient):
            return
        option = f"{' and '.join(referring)} out of --format" if self.formats is not None else "--keep-patient out"
        raise ConfigError(
            f"{scan} cannot be written as {' and '.join(TITLES[name] for name in referring)}: "
            f"{why_not.format(TITLES[referring[0]])}; leave {option}, or give the DICOM series it was made from."
        )


def unreferable(dicom: "DicomSource | None") -> str:
    """Why no DICOM object can refer to a series, with {} for the object; empty where it can."""
    if dicom is None:
        return NO_SLICES
    return f"a slice of the series has no valid {dicom.missing}, which {{}} needs" if dicom.missing else ""


def choose_outputs(formats: Collection[str] | None = None, keep_patient: bool = False) -> Outputs:
    """The formats by their names, in the order of FORMATS; None: the default ones.

    Raises:
        ConfigError: there is no such format, or what was named does not go together.
    """
    if formats is not None:
        known = ", ".join(FORMATS)
        if unknown := [name for name in formats if name not in FORMATS]:
            raise ConfigError(f"--format {unknown[0]!r:.40} is no format of a diagnosis: choose of {known}.")
        if not formats:
            raise ConfigError(f"--format names no format: choose of {known}, or leave it out.")
        if "sr" in formats and "seg" not in formats:
            raise ConfigError("--format sr needs seg beside it, for the report refers to its segments: add seg.")
    outputs = Outputs(None if formats is None else tuple(name for name in FORMATS if name in formats), keep_patient)
    if keep_patient and not any(FORMATS[name].refers for name in outputs.names):
        raise ConfigError("--keep-patient is for the formats seg and sr: add one of them, or leave it out.")
    return outputs
