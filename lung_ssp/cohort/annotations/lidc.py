"""The nodules that the readers of LIDC-IDRI outlined, out of their XML file (LidcReadMessage)."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lung_ssp.cohort.annotations.groups import connected_groups
from lung_ssp.cohort.annotations.planes import Plane, slice_voxels, stored_plane
from lung_ssp.ct.series import Series
from lung_ssp.errors import CohortError, DamagedFile, cut, shown
from lung_ssp.files import read_bytes

MOST_NODULES = 254  # what uint8 can number; 255 is what is not counted
MOST_DRAWN = 10_000  # by all readers together
LARGEST_NUMBER = 1e5  # pixels or mm
ROUNDING = 1e-9  # a share of readers that is reached but for the last binary digit is reached


@dataclass(frozen=True)
class Outline:
    """One contour: points int (n, 2) as (column, row) of the stored image; excluded: it bounds a hole."""

    sop_uid: str
    z_mm: float
    points: np.ndarray
    excluded: bool


def read_lidc(path: Path, series: Series, consensus: float, outline_inside: bool = True) -> np.ndarray:
    """The nodules of 3 mm and more on the voxels of their series.

    Outlines of different readers that share a voxel are of one nodule. A voxel belongs to it where at least the share
    `consensus` of all readers of the file (its reading sessions, four in LIDC-IDRI, whether they marked the nodule or
    not) outlined it. Single points mark nodules below 3 mm and other findings; they are left out.

    Args:
        consensus: above 0, at most 1.
        outline_inside: whether the outline's own pixels belong to the nodule. The instruction was to draw along the
            first pixels outside; label volumes made from the files usually count them in. What an outline excludes is
            in either case what lies within it, without its own pixels.

    Returns:
        uint8 (z, y, x): 0 background, 1..n the nodules, in the order in which the file names them first; all 0 where
        the readers agree on none.

    Raises:
        CohortError: the file is missing, no LIDC file or of another series, or an outline lies outside the series.
    """
    volume = series.volume
    sessions = reading_sessions(path, volume.series_uid)
    drawn = [
        (reader, outlined_voxels(path, outlines, series, outline_inside))
        for reader, session in enumerate(sessions)
        for nodule in session.findall("{*}unblindedReadNodule")
        if (outlines := outlines_of(path, nodule))
    ]
    if len(drawn) > MOST_DRAWN:
        raise CohortError(f"{path} has {len(drawn):,} outlined nodules, more than any reading: copy it again.")
    labels = np.zeros(volume.shape, np.uint8)
    count = 0
    for group in connected_groups(len(drawn), lambda one, two: np.intersect1d(drawn[one][1], drawn[two][1]).size > 0):
        by_reader = {
            reader: np.unique(np.concatenate([drawn[index][1] for index in group if drawn[index][0] == reader]))
            for reader in {drawn[index][0] for index in group}
        }
        voxels, readers = np.unique(np.concatenate(list(by_reader.values())), return_counts=True)
        agreed = voxels[readers >= consensus * len(sessions) - ROUNDING]
        if agreed.size:
            count += 1
            if count > MOST_NODULES:
                raise CohortError(f"{path} has more than {MOST_NODULES} nodules: too many to be numbered.")
            labels.reshape(-1)[agreed] = count
    return labels


def reading_sessions(path: Path, series_uid: str) -> list[ElementTree.Element]:
    """The reading sessions of a file, one a reader.

    Raises:
        CohortError: the file is missing, no LIDC file or of another series, or has none.
    """
    root = _lidc_root(path)
    named = _text(path, root, "{*}ResponseHeader/{*}SeriesInstanceUid")
    if named != series_uid:
        raise CohortError(f"{path} is of the series {cut(named)}, not of {series_uid}: give the XML file beside it.")
    sessions = root.findall("{*}readingSession")
    if not sessions:
        raise CohortError(f"{path} has no reading session: give a complete LIDC file.")
    return sessions


class _WithoutDoctype(ElementTree.TreeBuilder):
    """Refuses a document type before its entities are read: they may name files, or expand without limit."""

    def doctype(self, name: str, public_id: str | None, system_id: str | None) -> None:
        raise ElementTree.ParseError("it declares a document type, which LIDC files do not have")


def parse_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file without a document type.

    Raises:
        CohortError: it is missing or no XML.
    """
    try:
        root = ElementTree.fromstring(read_bytes(path), ElementTree.XMLParser(target=_WithoutDoctype()))
    except OSError as error:
        raise CohortError(f"{path} cannot be opened ({error.strerror}): give the readers' XML file.") from error
    except DamagedFile as error:
        raise CohortError(str(error)) from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise CohortError(f"{path} cannot be read as XML ({cut(error)}): copy it again from its source.") from error
    return root


def series_of(path: Path) -> str:
    """The SeriesInstanceUID that a LIDC file names, empty where it names none or is no file of CT readings.

    Raises:
        CohortError: it is missing or no XML.
    """
    root = parse_xml(path)
    return (root.findtext("{*}ResponseHeader/{*}SeriesInstanceUid") or "").strip()


def _lidc_root(path: Path) -> ElementTree.Element:
    root = parse_xml(path)
    kind = root.tag.rpartition("}")[2]
    if kind != "LidcReadMessage":
        raise CohortError(f"{path} is no LIDC file of CT readings: its root is {shown(kind)}, not 'LidcReadMessage'.")
    return root


def outlines_of(path: Path, nodule: ElementTree.Element) -> list[Outline]:
    """The contours of a nodule, or none where all that the reader set is single points."""
    outlines = []
    for roi in nodule.findall("{*}roi"):
        inclusion = _text(path, roi, "{*}inclusion").upper()
        if inclusion not in ("TRUE", "FALSE"):
            raise CohortError(f"{path} has an outline whose inclusion is {shown(inclusion)}: it must be TRUE or FALSE.")
        points = [
            [_number(path, edge, axis) for axis in ("{*}xCoord", "{*}yCoord")] for edge in roi.findall("{*}edgeMap")
        ]
        if not points:
            raise CohortError(f"{path} has an outline without points: copy it again from its source.")
        outlines.append(
            Outline(
                _text(path, roi, "{*}imageSOP_UID"),
                _number(path, roi, "{*}imageZposition"),
                np.rint(points).astype(np.int32),
                inclusion == "FALSE",
            )
        )
    return outlines if any(len(outline.points) > 1 for outline in outlines) else []


def outlined_voxels(path: Path, outlines: list[Outline], series: Series, outline_inside: bool) -> np.ndarray:
    """The voxels in one reader's outlines of one nodule: sorted indices into the flattened volume."""
    by_slice: dict[int, list[Outline]] = {}
    for outline in outlines:
        by_slice.setdefault(slice_of(path, outline, series), []).append(outline)
    volume = series.volume
    found = []
    for index, own in by_slice.items():
        plane = stored_plane(series.slices[index])
        y, x = slice_voxels(_filled(path, own, plane, outline_inside), plane, volume, f"An outline in {path}")
        found.append(np.ravel_multi_index((np.full_like(y, index), y, x), volume.shape))
    return np.unique(np.concatenate(found))


def slice_of(path: Path, outline: Outline, series: Series) -> int:
    """The slice of an outline: the one it names or, where the series has no such file, the nearest to its z."""
    for index, reference in enumerate(series.slices):
        if reference.sop_uid == outline.sop_uid:
            return index
    volume = series.volume
    heights = volume.to_world(np.array([(index, 0, 0) for index in range(len(series.slices))]))[:, 2]
    nearest = int(np.abs(heights - outline.z_mm).argmin())
    if abs(heights[nearest] - outline.z_mm) > volume.spacing[0] / 2:
        raise CohortError(
            f"{path} has an outline at z = {outline.z_mm:g} mm on the slice {cut(outline.sop_uid)}, where the series "
            f"{volume.series_uid} has none: copy the series again in full."
        )
    return nearest


def _filled(path: Path, outlines: list[Outline], plane: Plane, outline_inside: bool) -> np.ndarray:
    """The pixels of the stored image within the outlines of one slice, bool (rows, columns)."""
    holds = np.zeros(plane.shape, bool)
    for outline in sorted(outlines, key=lambda outline: outline.excluded):
        columns, rows = outline.points.T
        if min(columns.min(), rows.min()) < 0 or rows.max() >= plane.shape[0] or columns.max() >= plane.shape[1]:
            raise CohortError(
                f"{path} has an outline that leaves the image of {plane.shape[0]} rows and {plane.shape[1]} columns: "
                "check which series it is of."
            )
        area, edge = np.zeros(plane.shape, np.uint8), np.zeros(plane.shape, np.uint8)
        cv2.fillPoly(area, [outline.points], 1)
        cv2.polylines(edge, [outline.points], True, 1)
        if outline.excluded:
            holds &= ~((area == 1) & (edge == 0))
        else:
            holds |= (area == 1) if outline_inside else (area == 1) & (edge == 0)
    return holds


def _text(path: Path, element: ElementTree.Element, name: str) -> str:
    text = (element.findtext(name) or "").strip()
    if not text:
        raise CohortError(f"{path} lacks {name.replace('{*}', '')}: give a complete LIDC file.")
    return text


def _number(path: Path, element: ElementTree.Element, name: str) -> float:
    text = _text(path, element, name)
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not abs(value) <= LARGEST_NUMBER:  # true of NaN
        raise CohortError(
            f"{path} has the {name.replace('{*}', '')} {shown(text)}, no number of pixels or mm: copy it again."
        )
    return value
