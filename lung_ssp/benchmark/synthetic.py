"""A cohort of noise: data of the right shapes, so that a speed can be measured where no cohort is prepared."""

import json
import math
from pathlib import Path

import numpy as np

from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.cohort.description import CohortDescription, write_cohort
from lung_ssp.cohort.slices import slices_path, write_slices
from lung_ssp.cohort.slides.store import Tiles, write_tiles
from lung_ssp.cohort.store import SPLITS, Sections, write_sections
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import LungSlices
from lung_ssp.files import write_text
from lung_ssp.segmentation.settings import SMALLEST_SIZE, SegmentationSettings

NAME = "noise for a benchmark"
LUNGS_MM = (270.0, 360.0)  # a large pair of lungs in the plane, back to front and side to side
HU = (-1000, 400)


def write_noise_cohort(root: Path, settings: ClassificationSettings | SegmentationSettings, seed: int) -> None:
    """Write a cohort whose splits hold just enough for one batch."""
    rng = np.random.default_rng(seed)
    section = SectionSettings()
    if isinstance(settings, ClassificationSettings):
        section = SectionSettings(size=settings.model.image_size)
    write_cohort(
        root,
        CohortDescription(name=NAME, synthetic=True, origin="noise", fingerprint="noise", key="noise", section=section),
    )
    if isinstance(settings, SegmentationSettings):
        write_noise_scans(root, settings, rng)
        return
    for split in SPLITS:
        sections = noise_sections(split, settings, rng)
        write_sections(root, split, sections)
        if settings.model.takes_slides:
            shape = (len(sections), *sections.images.shape[1:], 3)
            images = rng.integers(256, size=shape).astype(np.uint8)
            write_tiles(root, split, Tiles(images, sections.patients, sections.patients))


def noise_sections(split: str, settings: ClassificationSettings, rng: np.random.Generator) -> Sections:
    """Sections of one split, each of a patient of its own and with both labels, none of them normal."""
    count, size = settings.batch_size, settings.model.image_size
    classes = settings.model.num_classes
    return Sections(
        images=rng.random((count, size, size), dtype=np.float32),
        labels={
            "image": rng.integers(1, classes.image, size=count),
            "pathology": rng.integers(1, classes.pathology, size=count),
        },
        patients=np.array([f"{split}-{number}" for number in range(count)]),
    )


def write_noise_scans(root: Path, settings: SegmentationSettings, rng: np.random.Generator) -> None:
    """Write one training and one validation scan: lung and lesions all over, in the size of a chest.

    Height and width are such that the network need not widen them.
    """
    spacing = settings.slices.spacing_mm
    sides = (side / step / SMALLEST_SIZE for side, step in zip(LUNGS_MM, spacing[1:], strict=True))
    height, width = (math.ceil(side) * SMALLEST_SIZE for side in sides)
    shape = (max(settings.batch_size, settings.val_dataset.slices_per_scan), height, width)
    made_with = json.dumps({"slices": settings.slices.model_dump()})
    rows = ["patient,split,series,masks"]
    for split in ("train", "validation"):
        rows.append(f"{split},{split},scans/{split},scans/{split}.npz")
        hu = rng.integers(*HU, size=shape).astype(np.int16)
        lesions = (rng.random(shape) < 0.01).astype(np.uint8)
        volume = Volume(hu, (spacing[0], spacing[1], spacing[2]))
        write_slices(slices_path(root, split), LungSlices(volume, np.ones(shape, bool), lesions), made_with)
    write_text(root / "scans.csv", "\n".join(rows) + "\n")
