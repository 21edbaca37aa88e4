"""The files of one series' samples, read back: its sections with labels and origins, its masks and its slices."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter

from lung_ssp.cohort.annotations.boxes import MOST_LESIONS
from lung_ssp.cohort.nlst.jobs import PlannedSeries
from lung_ssp.cohort.scans import MASK_ARRAYS
from lung_ssp.cohort.slices import SLICE_ARRAYS, write_slices
from lung_ssp.cohort.store import Sections, check_patient, load_arrays, problem_of_sections
from lung_ssp.ct.lesion import Lesion
from lung_ssp.ct.settings import ParenchymaSettings, WorkingGridSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import training_slices
from lung_ssp.errors import CohortError
from lung_ssp.files import check_npz, write_atomically
from lung_ssp.formats import ArrayForm, json_of

AGAIN = "remove it and start the preparation again"
SAMPLE_ARRAYS = {
    "images": ArrayForm("f", 3),
    "image_labels": ArrayForm("iu", 1),
    "pathology_labels": ArrayForm("iu", 1),
    "rows": ArrayForm("U", 0),
    "unplaced": ArrayForm("iu", 0),
}


class SampleRow(BaseModel):
    """What is noted of a sample; there is more, which is only handed on."""

    participant: Annotated[str, AfterValidator(check_patient)]
    study_year: int | None = Field(None, ge=0, le=2)
    series: str
    position_source: str
    image_source: str | None
    pathology_source: str | None
    abnormality: int | None = None


ROWS = TypeAdapter(list[SampleRow])


@dataclass(frozen=True, eq=False)
class SeriesSamples:
    """The samples of one series.

    images: float32 (n, size, size). labels: by task name, int64 (n,). rows: where each comes from.
    unplaced: for how many of the reader's abnormalities no lesion was found.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]
    rows: list[dict[str, Any]]
    unplaced: int


def read_series_samples(path: Path, size: int) -> SeriesSamples:
    """Read the file of one series' samples.

    Args:
        size: of a section, in pixels.

    Raises:
        CohortError: it is damaged.
    """
    arrays = load_arrays(path, SAMPLE_ARRAYS)
    labels = {task: arrays[f"{task}_labels"] for task in ("image", "pathology")}
    try:
        rows = json_of(str(arrays["rows"]))
        patients = np.array([row.participant for row in ROWS.validate_python(rows)], dtype=str)
    except (ValueError, RecursionError):
        raise CohortError(f"{path} is damaged, it does not say where its samples come from: {AGAIN}.") from None
    if arrays["images"].shape[1:] != (size, size):
        raise CohortError(f"{path} is damaged, its sections are not {size}x{size} pixels: {AGAIN}.")
    if problem := problem_of_sections(Sections(arrays["images"], labels, patients)):
        raise CohortError(f"{path} is damaged, {problem}: {AGAIN}.")
    return SeriesSamples(arrays["images"], labels, rows, int(arrays["unplaced"]))


def check_files(job: PlannedSeries, out: Path, size: int) -> SeriesSamples:
    """The samples of a job that is done, once its masks and slices, if it has any, are known to be whole.

    Raises:
        CohortError: one of the files is damaged, or the slices are missing beside the masks.
    """
    samples = read_series_samples(job.samples_in(out), size)
    if job.masks_in(out).is_file():
        for path, forms in ((job.masks_in(out), MASK_ARRAYS), (job.slices_in(out), SLICE_ARRAYS)):
            check_npz(path, forms, AGAIN)
    return samples


def write_samples(path: Path, samples: SeriesSamples, size: int) -> None:
    """Write the samples of one series, as `read_series_samples` reads them."""
    write_atomically(
        path,
        lambda file: np.savez_compressed(
            file,
            images=np.array(samples.images, dtype=np.float32).reshape(-1, size, size),
            image_labels=np.array(samples.labels["image"], dtype=np.int64),
            pathology_labels=np.array(samples.labels["pathology"], dtype=np.int64),
            rows=np.array(json.dumps(samples.rows)),
            unplaced=np.array(samples.unplaced),
        ),
    )


def write_masks(
    job: PlannedSeries,
    out: Path,
    volume: Volume,
    lungs: np.ndarray,
    lesions: Sequence[Lesion],
    slices: WorkingGridSettings,
    parenchyma: ParenchymaSettings,
) -> None:
    """Write the masks of a series with drawn lesions (as in cohort/scans.py), and its slices for segmentation.

    Args:
        lungs: bool (z, y, x).

    Raises:
        CohortError: there are more than MOST_LESIONS lesions.
    """
    if len(lesions) > MOST_LESIONS:
        raise CohortError(f"{len(lesions)} lesions in one series: a label volume holds at most {MOST_LESIONS}.")
    labels = np.zeros(volume.shape, np.uint8)
    for number, lesion in enumerate(lesions, start=1):
        labels[lesion.box][lesion.voxels] = number
    write_atomically(
        job.masks_in(out),
        lambda file: np.savez_compressed(
            file,
            lungs=lungs,
            lesions=labels,
            pixels_sha256=np.array(hashlib.sha256(volume.hu.tobytes()).hexdigest()),
        ),
    )
    made_with = json.dumps({"slices": slices.model_dump(), "parenchyma": parenchyma.model_dump()}, sort_keys=True)
    write_slices(job.slices_in(out), training_slices(volume, lungs, slices, labels), made_with)
