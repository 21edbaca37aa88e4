"""The pathology slides of the embedded cohort: planned, drawn, and written as DICOM files."""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lung_ssp.cohort.classes import NORMAL
from lung_ssp.cohort.phantom.patients import Patient
from lung_ssp.cohort.phantom.randomness import SLIDE, SLIDE_PLAN, generator
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.cohort.phantom.slide_dicom import write_slide
from lung_ssp.cohort.phantom.slide_looks import SlideAttributes, draw_attributes
from lung_ssp.cohort.phantom.slide_texture import draw_slide
from lung_ssp.cohort.store import SPLITS
from lung_ssp.errors import CohortError
from lung_ssp.process_pool import ProcessPool


@dataclass(frozen=True)
class PlannedSlide:
    """One slide before it is drawn.

    label: the cancer's class, 1..8. key: of its random numbers. folder: of its DICOM files, from the cohort's folder.
    """

    patient: str
    split: str
    label: int
    key: tuple[int, ...]
    folder: str


def plan_slides(patients: list[Patient], settings: PhantomSettings, seed: int) -> list[PlannedSlide]:
    """Choose the patients with a slide, at random among those with a cancer whose pathology is known.

    Raises:
        CohortError: there are fewer of them in a split than slides are asked for.
    """
    planned = []
    for split_index, (split, wanted) in enumerate(zip(SPLITS, settings.slides.patients, strict=True)):
        known = [patient for patient in patients if patient.split == split and patient.has_pathology]
        cancers = [(patient.name, own) for patient in known for own in patient.findings if own.label != NORMAL]
        if wanted > len(cancers):
            raise CohortError(
                f"cohort.phantom.slides.patients asks for {wanted} {split} patients with a slide, but only "
                f"{len(cancers)} have a cancer of known pathology: ask for fewer or give more sections."
            )
        chosen = generator(seed, SLIDE_PLAN, split_index).choice(len(cancers), wanted, replace=False)
        for name, finding in (cancers[i] for i in sorted(chosen.tolist())):
            planned.append(PlannedSlide(name, split, finding.label, (SLIDE, *finding.key[1:]), f"slides/{name}"))
    return planned


def attributes_of(
    slide: PlannedSlide, settings: PhantomSettings, seed: int
) -> tuple[SlideAttributes, np.random.Generator]:
    """What a slide shows, and the random numbers that draw it."""
    rng = generator(seed, *slide.key)
    look = settings.slides.looks.of_cancer(slide.label, settings.looks.unclassified, rng)
    return draw_attributes(look, rng), rng


def write_slides(
    root: Path, slides: list[PlannedSlide], settings: PhantomSettings, seed: int, key: str, pool: ProcessPool
) -> None:
    """Write <root>/slides/<patient>/*.dcm, with UIDs derived from `key`; slides that are there already are kept."""
    missing = [slide for slide in slides if not (root / slide.folder).is_dir()]
    write = partial(make_slide, root=root, settings=settings, seed=seed, key=key)
    pool.map(write, missing, progress="slides", unit="slide")


def make_slide(slide: PlannedSlide, root: Path, settings: PhantomSettings, seed: int, key: str) -> None:
    """Draw one slide and write its files into its folder in `root`, which gets its name when it is complete."""
    folder = root / slide.folder
    attributes, rng = attributes_of(slide, settings, seed)
    pixels = draw_slide(attributes, settings.slides.size, settings.slides.mpp, rng)
    partial_folder = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    write_slide(partial_folder, pixels, settings.slides.mpp, slide.patient, key)
    partial_folder.rename(folder)
