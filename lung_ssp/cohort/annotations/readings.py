"""What each reader of LIDC-IDRI said of a nodule: an outline and nine ratings, from XML or from DICOM-SEG and SR."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lung_ssp.cohort.annotations.dicom_seg import read_segmentation
from lung_ssp.cohort.annotations.lidc import MOST_DRAWN, outlined_voxels, outlines_of, reading_sessions, slice_of
from lung_ssp.cohort.annotations.planes import stored_plane
from lung_ssp.cohort.annotations.rating_report import read_rating_report
from lung_ssp.cohort.ratings import RATINGS
from lung_ssp.ct.series import Series
from lung_ssp.errors import CohortError, cut, shown

NAMED = re.compile(r"Nodule (\d{1,4}) - Annotation (.+)")


@dataclass(frozen=True, eq=False)
class Reading:
    """One reader's annotation of one nodule.

    name: of the annotation, as its file has it. ratings: by name (RATINGS); empty where there are none.
    voxels: sorted indices into the flattened volume. points: float (n, 3), LPS mm, of the outline; of a segmentation,
        of its voxels that have a neighbour outside within their slice.
    nodule: the number of the nodule where the file gives it, else None. reader: the reader's number where the file
        says who drew it (XML), else None; a reader may have drawn one nodule in pieces.
    """

    name: str
    ratings: Mapping[str, int]
    voxels: np.ndarray
    points: np.ndarray
    nodule: int | None = None
    reader: int | None = None


def check_ratings(ratings: Mapping[str, str | int], place: str) -> dict[str, int]:
    """The nine ratings as numbers.

    Raises:
        CohortError: one is missing, no whole number, or beyond its scale.
    """
    checked = {}
    for name, greatest in RATINGS.items():
        text = str(ratings.get(name, "")).strip()
        if text not in {str(value) for value in range(1, greatest + 1)}:
            raise CohortError(
                f"{place} has the {name} {shown(text)}: it must be a whole number from 1 to {greatest}; copy the file "
                "again from its source."
            )
        checked[name] = int(text)
    return checked


def read_lidc_readings(path: Path, series: Series, outline_inside: bool) -> list[Reading]:
    """The readings of nodules of 3 mm and more in a LIDC file, in its order.

    Args:
        outline_inside: whether the outline's own pixels belong to the nodule (see `read_lidc`).

    Raises:
        CohortError: the file is missing, no LIDC file or of another series, an outline lies outside the series, or a
            rating is missing or beyond its scale.
    """
    readings = []
    for reader, session in enumerate(reading_sessions(path, series.volume.series_uid), start=1):
        for nodule in session.findall("{*}unblindedReadNodule"):
            outlines = outlines_of(path, nodule)
            if not outlines:
                continue
            name = cut((nodule.findtext("{*}noduleID") or "").strip() or "without a name")
            voxels = outlined_voxels(path, outlines, series, outline_inside)
            if not voxels.size:  # outlines of a few pixels, whose own pixels are left out
                voxels = outlined_voxels(path, outlines, series, outline_inside=True)
            points = [stored_plane(series.slices[slice_of(path, one, series)]).to_world(one.points) for one in outlines]
            ratings = _ratings_of(nodule)
            place = f"{path}, reader {reader}, nodule {name}"
            own = check_ratings(ratings, place)
            readings.append(Reading(name, own, voxels, np.concatenate(points), reader=reader))
    if len(readings) > MOST_DRAWN:
        raise CohortError(f"{path} has {len(readings):,} outlined nodules, more than any reading: copy it again.")
    return readings


def _ratings_of(nodule: ElementTree.Element) -> dict[str, str]:
    return {name: nodule.findtext(f"{{*}}characteristics/{{*}}{name}") or "" for name in RATINGS}


def read_dicom_readings(outlines: Sequence[Path], ratings: Sequence[Path], series: Series) -> list[Reading]:
    """The readings of a series from folders with one DICOM-SEG and one DICOM-SR for each reader and nodule.

    They are told apart by their names, `Nodule 1 - Annotation Nodule 001`: a number of the nodule, and of the reader's
    annotation. A segmentation of another series of the study is refused.

    Raises:
        CohortError: a file is damaged or of another series, two have one name, or a rating is missing or beyond its
            scale.
    """
    reports = {}
    for folder in ratings:
        report = read_rating_report(folder)
        if report.name in reports:
            raise CohortError(f"{folder} holds the ratings of {shown(report.name)} a second time: download it again.")
        reports[report.name] = report
    readings: dict[str, Reading] = {}
    for folder in outlines:
        for segment in read_segmentation(folder, series, own_series_only=True):
            name = segment.tracking_id or segment.label
            form = NAMED.search(name)
            if form is None:
                raise CohortError(f"{folder} has the segment {shown(name)}, not Nodule N - Annotation NAME.")
            name = form.group(0)
            if name in readings:
                raise CohortError(f"{folder} holds the outline of {shown(name)} a second time: download it again.")
            if name not in reports:
                raise CohortError(f"{folder} holds the outline of {shown(name)}, whose ratings are missing.")
            own = check_ratings(reports[name].ratings, f"{reports[name].path}, {name}")
            voxels = np.flatnonzero(segment.mask)
            readings[name] = Reading(name, own, voxels, _edge(segment.mask, series), int(form.group(1)))
    return list(readings.values())


def _edge(mask: np.ndarray, series: Series) -> np.ndarray:
    """The voxels of a mask with a neighbour outside within their slice, float (n, 3), LPS mm."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    inner = padded[:, :-2, 1:-1] & padded[:, 2:, 1:-1] & padded[:, 1:-1, :-2] & padded[:, 1:-1, 2:]
    return series.volume.to_world(np.argwhere(mask & ~inner))


def mean_rating(readings: Iterable[Reading], name: str) -> float:
    """The mean of one rating over readers."""
    return float(np.mean([reading.ratings[name] for reading in readings]))
