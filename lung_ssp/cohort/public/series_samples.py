"""One series of a public collection to its samples: reading, lungs, lesions, labels and sections."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lung_ssp.cohort.annotations.box_report import read_box_reports
from lung_ssp.cohort.annotations.boxes import boxes_on
from lung_ssp.cohort.annotations.nodules import read_nodules, voxels_by_reader
from lung_ssp.cohort.annotations.readings import Reading, read_dicom_readings, read_lidc_readings
from lung_ssp.cohort.annotations.voc_boxes import read_voc_boxes
from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.nlst.results import SeriesResult
from lung_ssp.cohort.nlst.sample_files import SeriesSamples, write_masks, write_samples
from lung_ssp.cohort.nlst.series_preparation import done_or_failed
from lung_ssp.cohort.public.jobs import PublicJob
from lung_ssp.cohort.public.settings import PublicSeriesSettings
from lung_ssp.cohort.ratings import RATINGS
from lung_ssp.ct.lesion import Lesion, lesion_from_mask, lesions_of_labels
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import Series, open_series

NO_LABEL = "none"
THICKEST_MM = 100.0  # of a slice; a header that says more is not believed


@dataclass(frozen=True, eq=False)
class MarkedLesion:
    """A lesion that people marked: who with, and what each reader said of it (none of a box)."""

    lesion: Lesion
    source: str
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True)
class PublicWork:
    """What a worker does with a job; small, so that it can be sent with each. out: folder of the samples' files."""

    out: Path
    settings: PublicSeriesSettings

    @property
    def section_size(self) -> int:
        """Of the sections, in pixels."""
        return self.settings.section.size

    def __call__(self, job: PublicJob) -> SeriesResult:
        """Make the job's files; an error is a result, not an exception."""
        return done_or_failed(job, lambda: make_public_samples(job, self.out, self.settings))


def make_public_samples(job: PublicJob, out: Path, settings: PublicSeriesSettings) -> tuple[int, int]:
    """Write the samples of one series, and where its lesions are outlined its masks and slices.

    Returns:
        how many samples there are, possibly none; and of how many nodules no voxel has enough readers.

    Raises:
        LungSspError: the series or one of its annotations cannot be read.
    """
    series = open_series(job.folder, job.series_uid, settings.reading.accept, settings.reading.gaps)
    lesions, unplaced = marked_lesions(job, series, settings)
    remarks: tuple[str, ...] = ()
    if any(marked.readings for marked in lesions):
        lungs = segment_lungs(series.volume, settings.parenchyma)
        remarks = lungs.remarks
        outlined = [marked.lesion for marked in lesions]
        write_masks(job, out, series.volume, lungs.mask, outlined, settings.slices, settings.parenchyma)
    corrections = "; ".join((*series.remarks, *remarks))
    sections = [marked.lesion.section(series.volume, settings.section) for marked in lesions]
    labels = {
        "image": np.full(len(lesions), MISSING, np.int64),
        "pathology": np.full(len(lesions), job.pathology, np.int64),
    }
    rows = [_row(job, marked, corrections) for marked in lesions]
    samples = SeriesSamples(np.array(sections, dtype=np.float32), labels, rows, unplaced)
    write_samples(job.samples_in(out), samples, settings.section.size)
    return len(rows), unplaced


def marked_lesions(job: PublicJob, series: Series, settings: PublicSeriesSettings) -> tuple[list[MarkedLesion], int]:
    """The lesions that people marked in a series, and of how many nodules no voxel has enough readers.

    Raises:
        CohortError: an annotation cannot be read, or is of another series.
    """
    volume, nodules = series.volume, settings.nodules
    boxes = read_voc_boxes(job.boxes, series, job.letter) or read_box_reports(job.reports, series)
    if boxes:
        found = lesions_of_labels(boxes_on(series, boxes, settings.annotations), volume)
        return [MarkedLesion(lesion, "boxes: Pascal VOC" if job.boxes else "boxes: DICOM-SR") for lesion in found], 0
    if job.readings is not None:
        source = "outlines: XML"
        readings = read_lidc_readings(job.readings, series, settings.annotations.outline_inside)
    elif job.outlines:
        source = "outlines: DICOM-SEG"
        readings = read_dicom_readings(job.outlines, job.ratings, series)
    else:
        return [], 0
    apart = nodules.apart_mm if nodules.apart_mm is not None else slice_thickness(series)
    read = read_nodules(readings, volume.shape, nodules.consensus, apart, nodules.most_readers)
    agreed = [nodule for nodule in read if nodule.mask.any()]
    marked = [MarkedLesion(lesion_from_mask(own.mask, volume), source, own.readings) for own in agreed]
    return marked, len(read) - len(agreed)


def slice_thickness(series: Series) -> float:
    """SliceThickness (0018,0050) of the series in mm, or the distance of its slices where no file says it."""
    for reference in series.slices:
        for element, text in reference.header.acquisition if reference.header is not None else ():
            if element == "SliceThickness" and text:
                return _millimetres(text, series)
    return float(series.volume.spacing[0])


def _millimetres(text: str, series: Series) -> float:
    """A thickness that can be one, else the distance of the slices."""
    try:
        thickness = float(text)
    except ValueError:
        thickness = math.nan
    return thickness if 0 < thickness <= THICKEST_MM else float(series.volume.spacing[0])


def _row(job: PublicJob, marked: MarkedLesion, corrections: str) -> dict[str, Any]:
    """Where the position and the labels of a sample come from, and each reader's ratings, joined by ;."""
    return {
        "participant": job.participant,
        "series": job.pseudonym,
        "position_source": marked.source,
        "image_source": NO_LABEL,
        "pathology_source": NO_LABEL if job.pathology == MISSING else f"patient's name, letter {job.letter}",
        "readers": len(voxels_by_reader(marked.readings)),
        **{name: _joined(marked.readings, name) for name in RATINGS},
        "diameter_mm": round(marked.lesion.diameter_mm, 2),
        "z_index": marked.lesion.slice_index,
        "corrections": corrections,
    }


def _joined(readings: Sequence[Reading], name: str) -> str:
    return ";".join(str(reading.ratings[name]) for reading in readings)
