"""The scans below a folder: CT series by their UID, archives and volume files. Nothing but headers is read."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from lung_ssp.ct.dicom_file import DicomFile, without_warnings
from lung_ssp.ct.source import VOLUME_FILE, ZIP, Contents, LeftOut, files_below, look_at
from lung_ssp.diagnosis.scan_names import names_of
from lung_ssp.errors import LungSspError, SeriesError

PERHAPS_A_SLICE = "damaged file, perhaps of one of several series"


@dataclass(frozen=True)
class Scan:
    """One scan below a folder.

    name: a plain name, of no other scan of the folder.
    place: the folder of its slices, or its one file; within the folder that was searched.
    series_uid: SeriesInstanceUID (0020,000E); empty where there is none or the file has not been looked into.
    files: its files, as paths that can be opened.
    is_file: whether it is one archive or one volume file.
    beside: what lies beside the slices and is left out.
    problem: why it cannot be read: a file that may be one of its slices is damaged; None where there is no such file.
    same_as: the name of the scan of which this is a copy, slice by slice; empty for an original.
    """

    name: str
    place: Path
    series_uid: str
    files: tuple[Path, ...]
    is_file: bool = False
    beside: tuple[LeftOut, ...] = ()
    problem: SeriesError | None = None
    same_as: str = ""

    @property
    def digest(self) -> str:
        """A fingerprint of its files by their names, sizes and times of the last change, 16 hexadecimal digits."""
        facts = [(path.name, *_size_and_time(path)) for path in self.files]
        return hashlib.sha256(repr((str(self.place), self.series_uid, sorted(facts))).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Inventory:
    """What lies below a folder.

    scans: in the order of their places.
    left_out: files that belong to no scan.
    empty: subfolders directly below the folder in which no scan lies.
    contents: all that the folder holds, as `open_series` takes it, where this is one series at most; else None.
    """

    folder: Path
    scans: tuple[Scan, ...]
    left_out: tuple[LeftOut, ...]
    empty: tuple[str, ...]
    contents: Contents | None

    @property
    def is_several(self) -> bool:
        """Whether the folder holds several scans: more than one CT series, or no slice but several archives or volumes.

        Volume files and archives beside a single series are left out of it: most are masks, or the same scan again.
        """
        if self.contents is None:
            return True
        nothing_else = not self.contents.by_series and not self.contents.unreadable
        return nothing_else and len(self.scans) > 1


@dataclass
class _Folders:
    """What was found, without the headers, which would take 20 kB a slice.

    series: UID to folder to the slices in it, each with its SOPInstanceUID (0008,0018). A series without a UID is told
        by its folder alone.
    """

    series: dict[tuple[str, str], dict[Path, list[tuple[Path, str]]]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    damaged: dict[Path, list[tuple[Path, SeriesError]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, path: Path, found: DicomFile | LeftOut | SeriesError) -> None:
        if isinstance(found, SeriesError):
            self.damaged[path.parent].append((path, found))
        elif isinstance(found, LeftOut):
            self.left_out.append(found)
        else:
            key = found.series_uid, "" if found.series_uid else str(path.parent)
            by_folder = self.series.setdefault(key, {})
            by_folder.setdefault(path.parent, []).append((path, found.elements.uid("SOPInstanceUID")))


def find_scans(folder: str | Path, without: Path | None = None) -> Inventory:
    """Look through a folder and its subfolders for scans.

    The slices of one SeriesInstanceUID are one scan, also in several subfolders; where the same slices lie in several
    subfolders, each copy is one. A .zip or a volume file is a scan unless slices lie in the same subfolder.

    Args:
        without: a folder that is passed over, e.g. that of the results.

    Raises:
        LungSspError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LungSspError(f"{folder} is no folder: give a folder of scans.")
    found, contents = _Folders(), Contents()
    files = files_below(folder)
    if without is not None and without.resolve().is_relative_to(folder.resolve()):
        files = [path for path in files if not path.resolve().is_relative_to(without.resolve())]
    with without_warnings():
        for path in tqdm(files, "looking for scans", unit="file", delay=3, leave=False):
            one = look_at(path)
            found.add(path, one)
            if len(found.series) <= 1:
                contents.add(path, one)
    scans, rest = _scans(folder, found)
    filled = {scan.place.parts[0] for scan in scans if scan.place.parts}
    below = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    ours = without.resolve() if without is not None else None
    empty = tuple(name for name in below if name not in filled and (folder / name).resolve() != ours)
    return Inventory(folder, scans, rest, empty, contents if len(found.series) <= 1 else None)


def _scans(folder: Path, found: _Folders) -> tuple[tuple[Scan, ...], tuple[LeftOut, ...]]:
    """The scans in order, with names, and the files that belong to none."""
    scans: list[Scan] = []
    in_folder: dict[Path, list[int]] = defaultdict(list)  # which scans have slices there
    copies: dict[object, int] = {}
    original: dict[int, int] = {}
    for (uid, _), by_folder in sorted(found.series.items()):
        for folders in _without_repeats(by_folder):
            slices = [one for place in folders for one in by_folder[place]]
            place = Path(os.path.commonpath(folders)).relative_to(folder)
            for path in folders:
                in_folder[path].append(len(scans))
            if (first := copies.setdefault(_identity(uid, slices), len(scans))) != len(scans):
                original[len(scans)] = first
            scans.append(Scan("", place, uid, tuple(path for path, _ in slices)))
    rest = []
    for one in found.left_out:
        here = in_folder.get(one.path.parent, [])
        if one.why in (VOLUME_FILE, ZIP) and not here:
            scans.append(Scan("", one.path.relative_to(folder), "", _with_data(one.path), is_file=True))
        elif len(here) == 1:
            scans[here[0]] = replace(scans[here[0]], beside=(*scans[here[0]].beside, one))
        else:
            rest.append(one)
    for path, errors in sorted(found.damaged.items()):
        here = in_folder.get(path, [])
        if len(here) > 1:  # as where a series is chosen by its UID
            rest += [LeftOut(file, PERHAPS_A_SLICE) for file, _ in errors]
            continue
        if not here:
            scans.append(Scan("", path.relative_to(folder), "", ()))
        index = here[0] if here else len(scans) - 1
        files = (*scans[index].files, *(file for file, _ in errors))
        scans[index] = replace(scans[index], files=files, problem=errors[0][1])
    return _named(scans, original), tuple(rest)


def _named(scans: Sequence[Scan], original: Mapping[int, int]) -> tuple[Scan, ...]:
    """The scans in the order of their places, with names."""
    names = names_of([(scan.place, scan.series_uid, scan.is_file) for scan in scans])
    named = [
        replace(scan, name=names[index], same_as=names[original[index]] if index in original else "")
        for index, scan in enumerate(scans)
    ]
    return tuple(sorted(named, key=lambda scan: (scan.place.parts, scan.name)))


def _without_repeats(by_folder: Mapping[Path, Sequence[tuple[Path, str]]]) -> list[list[Path]]:
    """The folders of one series, divided so that no slice stands twice in the folders of one part.

    So a series that lies in several folders stays one, and its copies are others.
    """
    parts: list[tuple[list[Path], set[str]]] = []
    for path, slices in sorted(by_folder.items()):
        uids = {uid for _, uid in slices if uid}
        part = next((part for part in parts if part[1].isdisjoint(uids)), None)
        if part is None:
            part = [], set()
            parts.append(part)
        part[0].append(path)
        part[1].update(uids)
    return [folders for folders, _ in parts]


def _identity(uid: str, slices: Iterable[tuple[Path, str]]) -> object:
    """What copies of a series have in common: the UIDs and sizes of the slices; where a UID is missing, nothing."""
    facts = sorted((sop_uid, _size_and_time(path)[0]) for path, sop_uid in slices)
    return (uid, tuple(facts)) if uid and all(sop_uid for sop_uid, _ in facts) else object()


def _with_data(path: Path) -> tuple[Path, ...]:
    """A volume file, and beside a MetaImage header the file of its voxels, which has the same stem."""
    if path.suffix.lower() != ".mhd":
        return (path,)
    data = (other for other in path.parent.iterdir() if other.stem == path.stem and other != path and other.is_file())
    return path, *sorted(data)


def _size_and_time(path: Path) -> tuple[int, int]:
    """Bytes, and nanoseconds of the last change; zeros where the file is gone."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns
