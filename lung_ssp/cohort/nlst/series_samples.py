"""One series to its samples: read, lungs, lesions, labels, sections; one file, named by what made it."""

import hashlib
import json
import re
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lung_ssp.cohort.annotations.boxes import boxes_on
from lung_ssp.cohort.annotations.dicom_seg import SegmentMask, read_segmentation
from lung_ssp.cohort.annotations.lobe_masks import LOBE_LABELS, lobe_named, lung_lobes
from lung_ssp.cohort.annotations.settings import AnnotationSettings
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.jobs import SeriesJob
from lung_ssp.cohort.nlst.labels import label_places, unplaced_abnormalities
from lung_ssp.cohort.nlst.regions import Region, lobe_name, midline, place_of, regions_of_candidates, regions_of_labels
from lung_ssp.cohort.nlst.settings import SeriesSettings
from lung_ssp.cohort.slices import write_slices
from lung_ssp.ct.lesion import Candidate, lesion_of_mask
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import Series, open_series
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import cut_slices
from lung_ssp.errors import CheckpointError, CohortError, LungSspError, SeriesError
from lung_ssp.files import write_atomically
from lung_ssp.runtime import return_free_memory

CandidateFinder = Callable[[Volume, np.ndarray], list[Candidate]]
UID = re.compile(r"\b[0-2]\.[0-9.]{10,}[0-9]\b")


@dataclass(frozen=True)
class SeriesResult:
    """How one job ended.

    status: "done" or "failed". reason: the kind of fault, empty where there was none. message: the sentence, without
    paths and UIDs. samples: how many sections. unplaced: abnormalities of the tables for which no lesion was found.
    in_tables: whether the tables know the exam. seconds, megabytes: time and size of the series' files.
    """

    name: str
    series: str
    status: str
    reason: str = ""
    message: str = ""
    samples: int = 0
    unplaced: int = 0
    in_tables: bool = True
    seconds: float = 0.0
    megabytes: float = 0.0


@dataclass(frozen=True)
class SeriesWork:
    """What a worker does with a job; small, so that it travels with each.

    out: folder of the samples' files. rule: what the settings' image_rule names. find_candidates: nodule candidates out
    of a scan and its lungs, None for none.
    """

    out: Path
    settings: SeriesSettings
    rule: ImageRule
    find_candidates: CandidateFinder | None

    def __call__(self, job: SeriesJob) -> SeriesResult:
        """Make the job's file; a fault of the series is a result, not an exception."""
        begin = time.perf_counter()
        try:
            samples, unplaced = make_samples(job, self.out, self.settings, self.rule, self.find_candidates)
        except Exception as error:  # whatever it is, the other series go on
            return SeriesResult(job.name, job.pseudonym, "failed", reason_of(error), message_of(error, job))
        finally:
            return_free_memory()
        return SeriesResult(
            job.name,
            job.pseudonym,
            "done",
            samples=samples,
            unplaced=unplaced,
            in_tables=job.exam is not None,
            seconds=time.perf_counter() - begin,
            megabytes=_megabytes(job.folder),
        )


def reason_of(error: Exception) -> str:
    """The kind of a fault, by which failures are counted."""
    if isinstance(error, SeriesError):
        return str(error.reason)
    kinds = {CheckpointError: "candidates", LungSspError: "annotation", MemoryError: "memory"}
    return next((kind for known, kind in kinds.items() if isinstance(error, known)), "unexpected")


def message_of(error: Exception, job: SeriesJob) -> str:
    """What is recorded of a fault: its sentence; of one that nobody foresaw where it happened, to be mended."""
    if isinstance(error, LungSspError):
        return without_names(str(error), job)
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = ", ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__} ({places})"


def make_samples(
    job: SeriesJob, out: Path, settings: SeriesSettings, rule: ImageRule, find_candidates: CandidateFinder | None
) -> tuple[int, int]:
    """Write <out>/<job.name>.npz with the samples of one series, and with its masks what segmentation learns from.

    The file holds `images` float32 (n, size, size), `image_labels` and `pathology_labels` int64 (n,), `rows` as JSON:
    for each sample where its position and its labels come from and what was corrected in the series, and `unplaced`.
    Where people have drawn the lesions, <out>/<job.name>.masks.npz holds them with the lungs (as in cohort/scans.py),
    and <out>/<job.name>.slices.npz the slices.

    Returns:
        how many samples there are, none is an answer too; and for how many of the reader's abnormalities no lesion was
        found.

    Raises:
        LungSspError: the series or one of its annotations cannot be read.
    """
    series = open_series(job.folder, job.series_uid, settings.reading.accept, settings.reading.gaps)
    volume = series.volume
    lungs = segment_lungs(volume, settings.parenchyma).mask
    regions = marked_regions(job, series, settings)
    lesions_are_known = bool(regions) and regions[0].source.startswith("mask:")
    if not regions and find_candidates is not None and job.exam is not None:
        return_free_memory()  # of the lungs' many steps, before the network's
        regions = regions_of_candidates(find_candidates(volume, lungs))
    lobes, corrections = None, list(series.corrections)
    try:
        lobes = lobes_of(job, series, settings.annotations)
    except CohortError:
        corrections.append("the lobes could not be read")  # the side still tells something
    middle = midline(lungs, volume)
    places = [place_of(region, series, middle, lobes) for region in regions]
    labelled = [] if job.exam is None else label_places(job.exam, places, settings.samples, rule)
    rows: list[dict[str, Any]] = []
    images = []
    for sample in labelled:
        region = regions[sample.place]
        images.append(region.lesion.section(volume, settings.section))
        rows.append(
            {
                "participant": job.participant,
                "study_year": job.study_year,
                "series": job.pseudonym,
                "position_source": region.source,
                "side": places[sample.place].side,
                "lobe": places[sample.place].lobe,
                "image_source": sample.image_source,
                "pathology_source": sample.pathology_source,
                "abnormality": sample.abnormality,
                "diameter_mm": round(region.lesion.diameter_mm, 2),
                "z_index": region.lesion.slice_index,
                "corrections": "; ".join(corrections),
            }
        )
    if lesions_are_known:
        _write_masks(job, out, volume, lungs, regions, settings)
    unplaced = () if job.exam is None else unplaced_abnormalities(job.exam, labelled, settings.samples)
    size = settings.section.size
    write_atomically(
        sample_path(out, job.name),
        lambda file: np.savez_compressed(
            file,
            images=np.array(images, dtype=np.float32).reshape(-1, size, size),
            image_labels=np.array([sample.image_label for sample in labelled], dtype=np.int64),
            pathology_labels=np.array([sample.pathology_label for sample in labelled], dtype=np.int64),
            rows=np.array(json.dumps(rows)),
            unplaced=np.array(len(unplaced)),
        ),
    )
    return len(rows), len(unplaced)


def marked_regions(job: SeriesJob, series: Series, settings: SeriesSettings) -> list[Region]:
    """The lesions that people have drawn, else those they have put boxes around; empty where nobody has.

    Raises:
        LungSspError: an annotation cannot be read, or is of another series.
    """
    if job.lesion_masks:
        labels = settings.annotations.lesion_segments
        source, segments = first_that_fits(job.lesion_masks, series, labels, settings.annotations)
        return [
            Region(lesion_of_mask(segment.mask, series.volume), f"mask:{source}", lobe=lobe_name(lobe_named(segment)))
            for segment in segments
        ]
    for source, boxes in sorted(job.boxes.items(), reverse=True):  # Sybil's before NLSTx's: they name their slices
        if boxes:
            marked = boxes_on(series, boxes, settings.annotations)
            return regions_of_labels(marked, series.volume, f"box:{source}")
    return []


def lobes_of(job: SeriesJob, series: Series, settings: AnnotationSettings) -> np.ndarray | None:
    """The lobes, uint8 (z, y, x) as annotations/lobe_masks.py numbers them, where a segmentation of them is there.

    Raises:
        LungSspError: it is there and cannot be read.
    """
    if not job.lung_masks:
        return None
    return lung_lobes(first_that_fits(job.lung_masks, series, LOBE_LABELS, settings)[1])


def first_that_fits(
    masks: Sequence[tuple[str, Path]], series: Series, labels: Sequence[str], settings: AnnotationSettings
) -> tuple[str, list[SegmentMask]]:
    """The segments of the first segmentation that is of this series, with its source.

    The index does not always tell which of an exam's series a segmentation is of; the file itself does.

    Raises:
        LungSspError: the fault of the last, where none is.
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


def sample_path(out: Path, name: str) -> Path:
    """The file of a job's samples."""
    return out / f"{name}.npz"


def masks_path(out: Path, name: str) -> Path:
    """The file of a job's masks, where there are any."""
    return out / f"{name}.masks.npz"


def slices_file(out: Path, name: str) -> Path:
    """The file of a job's slices, where there are masks."""
    return out / f"{name}.slices.npz"


def without_names(message: str, job: SeriesJob) -> str:
    """A sentence without the paths of the series' files and without UIDs."""
    return without_paths(message, (job.folder, *(folder for _, folder in (*job.lesion_masks, *job.lung_masks))))


def without_paths(message: str, folders: Iterable[Path]) -> str:
    """A sentence without paths that begin with one of the folders, and without UIDs."""
    for folder in folders:
        message = re.sub(re.escape(str(folder)) + r"[^\s,;:)]*", "<file>", message)
    return UID.sub("<uid>", message)


def _write_masks(
    job: SeriesJob, out: Path, volume: Volume, lungs: np.ndarray, regions: list[Region], settings: SeriesSettings
) -> None:
    if len(regions) > np.iinfo(np.uint8).max:
        raise CohortError(f"{len(regions)} lesions in one series: a label volume holds at most 255.")
    lesions = np.zeros(volume.shape, np.uint8)
    for number, region in enumerate(regions, start=1):
        lesions[region.lesion.box][region.lesion.voxels] = number
    write_atomically(
        masks_path(out, job.name),
        lambda file: np.savez_compressed(
            file,
            lungs=lungs,
            lesions=lesions,
            pixels_sha256=np.array(hashlib.sha256(volume.hu.tobytes()).hexdigest()),
        ),
    )
    made_with = json.dumps(
        {"slices": settings.slices.model_dump(), "parenchyma": settings.parenchyma.model_dump()}, sort_keys=True
    )
    slices = cut_slices(volume, lungs, settings.slices, lesions)
    write_slices(slices_file(out, job.name), slices, made_with)


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
