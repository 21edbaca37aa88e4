"""What lies in a folder, a list of files or a DICOM directory: the CT images by series, and everything else."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from lung_ssp.ct.dicom_file import CT_CLASSES, CT_IMAGE_STORAGE, MULTI_FRAME_CT_CLASSES, DicomFile, read_dicom
from lung_ssp.ct.elements import Elements
from lung_ssp.ct.slice_header import is_localizer, truncated
from lung_ssp.ct.volume_file import is_volume_file
from lung_ssp.errors import SeriesError
from lung_ssp.visible import visible

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
DIRECTORY_STORAGE = "1.2.840.10008.1.3.10"
DIRECTORY_TAGS = (pydicom.tag.Tag("DirectoryRecordSequence"), pydicom.tag.Tag("SOPClassUID"))
LONGEST_DIRECTORY = 2**26  # bytes of its records
VOLUME_FILE, ZIP = "volume file", "zip archive"
NAMELESS = "without SeriesInstanceUID"
MOST_NAMED = 10  # series or files that a message names

FORMS = (
    "a folder or a .zip of a DICOM series, a DICOMDIR, one multi-frame file, or a .nii, .nii.gz, .mha, .mhd or .nrrd"
)
Source = str | Path | Sequence[str | Path]  # a folder, one file, or a list of files


@dataclass(frozen=True)
class LeftOut:
    """A file of the source that is not part of the series, and why, such as "localizer"."""

    path: Path
    why: str


@dataclass
class Contents:
    """What a source holds.

    by_series: the files with CT images that are no localizers, by SeriesInstanceUID ("" where it is missing).
    left_out: every other file.
    unreadable: files that claim to be DICOM and cannot be read, with the error; they may belong to any series.
    """

    by_series: dict[str, list[DicomFile]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    unreadable: list[tuple[Path, SeriesError]] = field(default_factory=list)

    def add(self, path: Path, file: DicomFile | LeftOut | SeriesError) -> None:
        """Add a file, as `look_at` gives it."""
        if isinstance(file, SeriesError):
            self.unreadable.append((path, file))
        elif isinstance(file, LeftOut):
            self.left_out.append(file)
        else:
            self.by_series.setdefault(file.series_uid, []).append(file)

    def choose(self, name: str, series_uid: str | None) -> list[DicomFile]:
        """The files of one series; those of the others are then left out.

        A file that cannot be read is an error, for it may be a slice; where the series is chosen by its UID and there,
        it is left out.

        Args:
            name: of the source, for messages.

        Raises:
            SeriesError: no CT image, no such series, a choice to be made, or a file that cannot be read.
        """
        if self.unreadable and series_uid not in self.by_series:
            raise self.unreadable[0][1]
        if not self.by_series:
            raise SeriesError(
                f"{name} holds no CT slice{self._besides()}: give the folder of a DICOM series.", reason="not found"
            )
        inventory = ", ".join(f"{uid or NAMELESS} ({_count(files)})" for uid, files in _first(self.by_series.items()))
        inventory += ", ..." * (len(self.by_series) > MOST_NAMED)
        if series_uid is None and len(self.by_series) > 1:
            raise SeriesError(
                f"{name} holds {len(self.by_series)} series, choose one by its UID (--series-uid): {inventory}.",
                reason="several series",
            )
        if series_uid is not None and series_uid not in self.by_series:
            raise SeriesError(
                f"{name} holds no series {series_uid}, choose one of those there: {inventory}.", reason="not found"
            )
        chosen = self.by_series[series_uid if series_uid is not None else next(iter(self.by_series))]
        self.left_out += [LeftOut(path, "damaged file, perhaps of this series") for path, _ in self.unreadable]
        self.left_out += [
            LeftOut(file.path, "CT image of another series")
            for files in self.by_series.values()
            for file in files
            if files is not chosen
        ]
        return chosen

    def _besides(self) -> str:
        """ ", only 52 x Secondary Capture Image Storage, 1 x zip archive", or nothing where nothing is there."""
        kinds = Counter(one.why for one in self.left_out)
        listed = ", ".join(f"{count} x {why}" for why, count in kinds.most_common(MOST_NAMED))
        given = " (a .zip or a volume can be given itself)" if {ZIP, VOLUME_FILE} & set(kinds) else ""
        return f", only {listed}{given}" if kinds else ""


def contents_of(source: Source) -> Contents:
    """Find out what a source holds.

    In a folder files of other kinds may lie; a file that was named must be a CT image.

    Raises:
        SeriesError: no such source, a file that was named is no CT image or cannot be read, or a file that has the
            name of a DICOM file is none.
    """
    contents = Contents()
    files, named = _files_of(source, contents)
    for path in files:
        contents.add(path, _ct_file(path, named) if named else look_at(path))
    return contents


def look_at(path: Path) -> DicomFile | LeftOut | SeriesError:
    """A file of a folder: a CT image of a series, what is left out and why, or an error where it may be either."""
    try:
        return _ct_file(path, named=False)
    except SeriesError as error:
        return error


def _ct_file(path: Path, named: bool) -> DicomFile | LeftOut:
    """The file where it holds a CT image, else why it is left out.

    Raises:
        SeriesError: it cannot be read, claims by its name to be DICOM and is not, or was named and is no CT image.
    """
    file = read_dicom(path)
    if file is not None and not file.series_uid and file.pixels_at is None and CT_IMAGE_STORAGE.startswith(file.kind):
        raise truncated(file)  # cut before it could tell its series, or even its kind
    why = _why_not(path, file)
    if file is not None and not why:
        return file
    if file is None and (named or path.suffix.lower() in DICOM_SUFFIXES):
        advice = f"give {FORMS}" if named else "remove it"
        raise SeriesError(
            f"{path} is {'empty, ' if _is_empty(path) else ''}not a DICOM file: {advice}, or copy it again from its "
            "source.",
            reason="foreign file",
        )
    if file is not None and named:
        what = "a localizer, no slice" if why == "localizer" else f"not a CT slice, but {why}"
        raise SeriesError(f"{path} (series {file.series_uid}) is {what}: leave it out.", reason="foreign file")
    return LeftOut(path, why)


def _why_not(path: Path, file: DicomFile | None) -> str:
    """Why a file is no CT image of a series; empty where it is one."""
    if file is None:
        if _is_empty(path):
            return "empty file"
        if is_volume_file(path):
            return VOLUME_FILE
        return ZIP if path.suffix.lower() == ".zip" else "file of another kind"
    if file.kind not in CT_CLASSES:
        return pydicom.uid.UID(file.kind).name if file.kind else "DICOM file of an unknown kind"
    return "localizer" if is_localizer(file.elements) else ""


def _is_empty(path: Path) -> bool:
    return path.stat().st_size == 0


def _files_of(source: Source, contents: Contents) -> tuple[list[Path], bool]:
    """The files that may be slices, and whether they were named one by one; what is missing goes to the contents."""
    if not isinstance(source, str | Path):
        return [Path(path) for path in source], True
    folder = Path(source)
    if folder.is_file():
        listed = _listed(folder, contents)
        return ([folder], True) if listed is None else (listed, False)
    if not folder.is_dir():
        what = "is neither a file nor a folder" if folder.exists() else "does not exist"
        raise SeriesError(f"{folder} {what}: give the folder of a DICOM series.", reason="not found")
    return files_below(folder), False


def files_below(folder: Path) -> list[Path]:
    """The files of a folder and its subfolders that are not hidden, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _listed(path: Path, contents: Contents) -> list[Path] | None:
    """The CT images that a DICOM directory (DICOMDIR, PS3.3 F.3) lists; None where the file is no such directory.

    Those that are not there are noted as files that cannot be read.

    Raises:
        SeriesError: the directory is damaged.
    """
    file = read_dicom(path, DIRECTORY_TAGS, LONGEST_DIRECTORY)
    if file is None or file.kind != DIRECTORY_STORAGE:
        return None
    records = file.elements.items("DirectoryRecordSequence")
    images = [record for record in records if record.uid("ReferencedSOPClassUIDInFile") in CT_CLASSES]
    found = [(record, _place(path.parent, record)) for record in images]
    missing = [record.text("ReferencedFileID") for record, place in found if place is None]
    if missing:
        error = SeriesError(
            f"{path} lists {len(missing)} CT image(s) that are not in its folder, the first as {missing[0]}: copy the "
            "whole disc or folder again.",
            reason="damaged",
        )
        contents.unreadable += [(path.parent / name, error) for name in missing]
    return sorted({place for _, place in found if place is not None})


def _place(folder: Path, record: Elements) -> Path | None:
    """The file of a directory's record, within the directory's folder; None where there is none.

    Names are upper case in a directory, but a file system may show them in lower case.
    """
    parts = record.texts("ReferencedFileID")
    if not parts or any(part in ("", ".", "..") or "/" in part for part in parts):
        return None
    for path in (folder.joinpath(*parts), folder.joinpath(*(part.lower() for part in parts))):
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path
    return None


def _count(files: list[DicomFile]) -> str:
    """ "52 slices", or of an enhanced series "1 file of 52 frames"."""
    frames = [file.elements.text("NumberOfFrames") for file in files if file.kind in MULTI_FRAME_CT_CLASSES]
    if not frames:
        return f"{len(files)} slices"
    return f"{len(frames)} file{'s' * (len(frames) > 1)} of {', '.join(sorted(set(frames)))} frames"


def _first(series: Iterable[tuple[str, list[DicomFile]]]) -> list[tuple[str, list[DicomFile]]]:
    return sorted(series, key=lambda one: one[0])[:MOST_NAMED]


def names_by_reason(left_out: Iterable[LeftOut], source: Source) -> dict[str, tuple[str, ...]]:
    """The names of the files that were left out, within the source, by why they were."""
    folder = Path(source) if isinstance(source, str | Path) else Path()
    names: dict[str, list[str]] = {}
    for one in left_out:
        names.setdefault(one.why, []).append(shown_name(one.path, folder))
    return {why: tuple(found) for why, found in sorted(names.items())}


def shown_name(path: Path, source: Path) -> str:
    """A file's name within the source, as text that any terminal and file can hold."""
    inside = path.relative_to(source) if path.is_relative_to(source) else Path(path.name)
    return visible(str(inside))
