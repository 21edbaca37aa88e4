"""One series to its samples: reading, lungs, lesions, labels and sections, written as one file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lung_ssp.cohort.annotations.boxes import boxes_on
from lung_ssp.cohort.annotations.dicom_seg import SegmentMask, read_segmentation
from lung_ssp.cohort.annotations.lobe_masks import LOBE_PATTERNS, lobe_named, lobe_of_voxels, lung_lobes
from lung_ssp.cohort.annotations.settings import AnnotationSettings
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.jobs import SeriesJob
from lung_ssp.cohort.nlst.labels import LabelledPlace, Place, label_places, unplaced_abnormalities
from lung_ssp.cohort.nlst.sample_files import SeriesSamples, write_masks, write_samples
from lung_ssp.cohort.nlst.settings import SeriesSettings
from lung_ssp.ct.lesion import Candidate, Lesion, lesion_from_mask, lesions_of_labels
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import Series, open_series
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CohortError
from lung_ssp.runtime import return_free_memory

CandidateFinder = Callable[[Volume, np.ndarray], list[Candidate]]


@dataclass(frozen=True, eq=False)
class Region:
    """A lesion of a scan, and who says that it is one.

    source: who marked it, e.g. "mask:nlstseg", "box:sybil", "candidate".
    score: 0..1 of a candidate, 1 of what a person has marked.
    lobe: RUL, RML, RLL, LUL or LLL as who marked it named it, or None.
    """

    lesion: Lesion
    source: str
    score: float = 1.0
    lobe: str | None = None


def make_samples(
    job: SeriesJob, out: Path, settings: SeriesSettings, rule: ImageRule, find_candidates: CandidateFinder | None
) -> tuple[int, int]:
    """Write <out>/<job.name>.npz with the samples of one series.

    The file holds `images` float32 (n, size, size), `image_labels` and `pathology_labels` int64 (n,), `rows` as JSON
    (where the position and the labels of each sample come from, and what was corrected in the series), and `unplaced`.
    Where people have drawn the lesions, <out>/<job.name>.masks.npz holds them with the lungs (as in cohort/scans.py),
    and <out>/<job.name>.slices.npz the slices, from both of which segmentation learns.

    Returns:
        how many samples there are, possibly none; and for how many of the reader's abnormalities no lesion was found.

    Raises:
        LungSspError: the series or one of its annotations cannot be read.
    """
    series = open_series(job.folder, job.series_uid, settings.reading.accept, settings.reading.gaps)
    volume = series.volume
    lungs, lung_remarks = _lungs(volume, settings)
    regions = marked_regions(job, series, settings)
    are_drawn = bool(regions) and regions[0].source.startswith("mask:")
    if not regions and find_candidates is not None and job.exam is not None:
        return_free_memory()  # the lung mask's, before the network needs it
        regions = [Region(found.lesion, "candidate", found.score) for found in find_candidates(volume, lungs)]
    lobes, corrections = None, [*series.remarks, *lung_remarks]
    try:
        if job.lung_masks:
            lobes = lung_lobes(first_of_series(job.lung_masks, series, LOBE_PATTERNS, settings.annotations)[1])
    except CohortError:
        corrections.append("the lobes could not be read")  # the side is known without them
    middle = midline(lungs, volume)
    places = [place_of(region, series, middle, lobes) for region in regions]
    labelled = [] if job.exam is None else label_places(job.exam, places, settings.samples, rule)
    if are_drawn:
        drawn = [region.lesion for region in regions]
        write_masks(job, out, volume, lungs, drawn, settings.slices, settings.parenchyma)
    unplaced = () if job.exam is None else unplaced_abnormalities(job.exam, labelled, settings.samples)
    lesions = [regions[sample.place].lesion for sample in labelled]
    images = [lesion.section(volume, settings.section) for lesion in lesions]
    rows = [
        {
            **_origin_of(job, sample, places[sample.place]),
            "diameter_mm": round(lesion.diameter_mm, 2),
            "z_index": lesion.slice_index,
            "corrections": "; ".join(corrections),
        }
        for sample, lesion in zip(labelled, lesions, strict=True)
    ]
    labels = {
        "image": np.array([sample.image_label for sample in labelled], dtype=np.int64),
        "pathology": np.array([sample.pathology_label for sample in labelled], dtype=np.int64),
    }
    samples = SeriesSamples(np.array(images, dtype=np.float32), labels, rows, len(unplaced))
    write_samples(job.samples_in(out), samples, settings.section.size)
    return len(rows), len(unplaced)


def _lungs(volume: Volume, settings: SeriesSettings) -> tuple[np.ndarray, tuple[str, ...]]:
    """The mask, bool (z, y, x), and what is unusual about it; the steps that led to it do not stay in memory."""
    found = segment_lungs(volume, settings.parenchyma)
    return found.mask, found.remarks


def _origin_of(job: SeriesJob, sample: LabelledPlace, place: Place) -> dict[str, Any]:
    """Where the position and the labels of a sample come from."""
    return {
        "participant": job.participant,
        "study_year": job.study_year,
        "series": job.pseudonym,
        "position_source": place.source,
        "side": place.side,
        "lobe": place.lobe,
        "image_source": sample.image_source,
        "pathology_source": sample.pathology_source,
        "abnormality": sample.abnormality,
    }


def marked_regions(job: SeriesJob, series: Series, settings: SeriesSettings) -> list[Region]:
    """The lesions that people have drawn, else those with boxes around them; empty where nothing is marked.

    Raises:
        LungSspError: an annotation cannot be read, or is of another series.
    """
    if job.lesion_masks:
        labels = settings.annotations.lesion_segments
        source, segments = first_of_series(job.lesion_masks, series, labels, settings.annotations)
        return [
            Region(lesion_from_mask(segment.mask, series.volume), f"mask:{source}", lobe=lobe_named(segment))
            for segment in segments
        ]
    for source, boxes in sorted(job.boxes.items(), reverse=True):  # Sybil's before NLSTx's: they name their slices
        if boxes:
            marked = boxes_on(series, boxes, settings.annotations)
            return regions_of_labels(marked, series.volume, f"box:{source}")
    return []


def regions_of_labels(labels: np.ndarray, volume: Volume, source: str) -> list[Region]:
    """One region for each label 1, 2, ... that occurs in a label volume, uint8 (z, y, x) of the scan's shape."""
    return [Region(lesion, source) for lesion in lesions_of_labels(labels, volume)]


def place_of(region: Region, series: Series, midline_x: float, lobes: np.ndarray | None) -> Place:
    """Where a region lies, in the terms of NLST's tables.

    Args:
        midline_x: LPS millimetres; the patient's right lung lies below it.
        lobes: uint8 (z, y, x), numbered as in annotations/lobe_masks.py, or None where they are not known.
    """
    lesion = region.lesion
    return Place(
        source=region.source,
        slice_number=series.slices[lesion.slice_index].instance_number,
        side="right" if lesion.centre_mm[0] < midline_x else "left",
        lobe=region.lobe if lobes is None else lobe_of_voxels(lobes[lesion.box][lesion.voxels]),
        score=region.score,
    )


def midline(lungs: np.ndarray, volume: Volume) -> float:
    """The x (LPS, mm) between the lungs: the sagittal plane in the middle third of their width that cuts least of them.

    Where several cut equally little, the middle one of them. The lung mask is not empty.
    """
    areas = np.count_nonzero(lungs, axis=(0, 1))
    occupied = np.flatnonzero(areas)
    width = occupied[-1] - occupied[0] + 1
    first = occupied[0] + width // 3
    middle = areas[first : occupied[-1] + 1 - width // 3]
    least = np.flatnonzero(middle == middle.min())
    return float(volume.to_world(np.array([0, 0, first + least[len(least) // 2]]))[0])


def first_of_series(
    masks: Sequence[tuple[str, Path]], series: Series, labels: Sequence[str], settings: AnnotationSettings
) -> tuple[str, list[SegmentMask]]:
    """The segments of the first segmentation that is of this series, with its source.

    The index does not always name the series of an exam that a segmentation belongs to; the file itself does.

    Raises:
        LungSspError: the error of the last one, where none is of this series.
    """
    for number, (source, folder) in enumerate(masks, start=1):
        try:
            return source, read_segmentation(
                folder, series, labels, settings.accept_other_series, settings.largest_loss
            )
        except CohortError:
            if number == len(masks):
                raise
    raise ValueError("There must be at least one segmentation.")
