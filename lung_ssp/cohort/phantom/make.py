"""Preparing the embedded cohort: everything on disk from one seed, once, resumable."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.description import (
    COHORT_FILE,
    BayesAccuracy,
    CohortCounts,
    CohortDescription,
    GeneratorDescription,
    read_cohort,
    write_cohort,
)
from lung_ssp.cohort.fingerprint import cohort_fingerprint
from lung_ssp.cohort.phantom import bayes_accuracy
from lung_ssp.cohort.phantom.dicom import write_series
from lung_ssp.cohort.phantom.patients import plan_patients
from lung_ssp.cohort.phantom.randomness import FILE_NAMES, generator
from lung_ssp.cohort.phantom.scans import PlannedScan, make_scan, plan_scans
from lung_ssp.cohort.phantom.sections import PlannedSection, image_labels, plan_sections, posterior_of, render_sections
from lung_ssp.cohort.phantom.settings import PhantomCohortSettings, PhantomSettings
from lung_ssp.cohort.phantom.simulated_nlst.tables import write_nlst_tables
from lung_ssp.cohort.phantom.slides import PlannedSlide, plan_slides, write_slides
from lung_ssp.cohort.phantom.tables import write_scans_tables, write_sections_table, write_slides_table
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.cohort.slides.store import prepare_tiles
from lung_ssp.cohort.store import SPLITS, Sections, mark_folder, read_sections, section_counts, write_sections
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.files import write_atomically
from lung_ssp.process_pool import process_pool

ORIGIN = "phantoms of the package's generator"
FORMAT = 2  # to be raised whenever the same settings and seed give other contents


def make_phantom_cohort(
    root: Path,
    cohort_settings: PhantomCohortSettings,
    section_settings: SectionSettings,
    seed: int,
    processes: int,
    tile_settings: SlideSettings | None = None,
) -> CohortDescription:
    """Write the embedded cohort into `root` in the layout of cohort/store.py, and return its description.

    What is finished is kept, so that an interrupted preparation goes on; a finished cohort is only read. The contents
    depend on settings and seed alone, not on the number of processes.

    Args:
        tile_settings: how tiles are cut from the slides, where the settings ask for any; None: as shipped.

    Raises:
        CohortError: `root` holds a cohort of other settings, or files that are no cohort.
    """
    settings = cohort_settings.phantom
    tile_settings = tile_settings or SlideSettings()
    key = _key(settings, section_settings, tile_settings, seed)
    mark_folder(root, key)
    if (root / COHORT_FILE).is_file():
        return read_cohort(root)

    patients = plan_patients(settings, seed)
    sections = {split: plan_sections(patients, split) for split in SPLITS}
    scans = plan_scans(settings, seed)
    slides = plan_slides(patients, settings, seed)
    with process_pool(processes) as pool:
        for split, planned in sections.items():
            if not (root / "sections" / f"{split}.npz").is_file():
                images = render_sections(planned, settings, section_settings, seed, pool, f"{split} sections")
                write_sections(root, split, _labelled(images, planned, settings, seed, split))
        missing = [scan for scan in scans if not (root / "scans" / f"{scan.patient}.npz").is_file()]
        write_scan = partial(_write_scan, root=root, settings=settings, seed=seed, key=key)
        pool.map(write_scan, missing, progress="scans", unit="scan")
        write_slides(root, slides, settings, seed, key, pool)
    stored = {split: read_sections(root, split) for split in SPLITS}
    write_sections_table(root, sections, stored)
    write_scans_tables(root, scans)
    write_nlst_tables(root, [section for planned in sections.values() for section in planned], scans, seed)
    write_slides_table(root, slides, settings, seed)
    tiles = _write_tiles(root, slides, tile_settings, seed)
    description = CohortDescription(
        name=cohort_settings.name,
        synthetic=True,
        origin=ORIGIN,
        fingerprint=cohort_fingerprint(root),
        key=key,
        section=section_settings,
        tiles=tile_settings if slides else None,
        counts=_counts(stored, scans, slides, tiles),
        generator=_describe_generator(stored, sections["test"], settings, seed),
    )
    write_cohort(root, description)
    return description


def _key(settings: PhantomSettings, section_settings: SectionSettings, tile_settings: SlideSettings, seed: int) -> str:
    """What a cohort is made from, as a number in hexadecimal; slides count where there are any."""
    phantom = settings.model_dump()
    made_from = {"format": FORMAT, "seed": seed, "phantom": phantom, "section": section_settings.model_dump()}
    if any(settings.slides.patients):
        made_from["tiles"] = tile_settings.model_dump()
    else:
        del phantom["slides"]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _labelled(
    images: np.ndarray, planned: list[PlannedSection], settings: PhantomSettings, seed: int, split: str
) -> Sections:
    pathology = np.array([section.pathology for section in planned], dtype=np.int64)
    labels = {"image": image_labels(planned, settings, seed, split), "pathology": pathology}
    return Sections(images, labels, np.array([section.patient for section in planned]))


def _write_scan(planned: PlannedScan, root: Path, settings: PhantomSettings, seed: int, key: str) -> None:
    """Make one scan and write its series, then its masks: these stand for the scan being finished."""
    scan = make_scan(planned, settings, seed)
    folder = root / "scans" / planned.patient
    partial_folder = folder.with_name(f".{planned.patient}.partial")
    for old in (folder, partial_folder):
        shutil.rmtree(old, ignore_errors=True)
    write_series(partial_folder, scan, planned, key, generator(seed, FILE_NAMES, planned.index))
    partial_folder.rename(folder)
    write_atomically(
        folder.with_suffix(".npz"),
        lambda file: np.savez_compressed(
            file,
            lungs=scan.lungs,
            lesions=scan.lesions,
            spacing=np.array(scan.spacing),
            origin=np.array(scan.origin),
            centres_mm=scan.centres_mm,
            labels=np.array(planned.labels, dtype=np.int64),
            pixels_sha256=np.array(hashlib.sha256(scan.hu.tobytes()).hexdigest()),
        ),
    )


def _write_tiles(root: Path, slides: list[PlannedSlide], settings: SlideSettings, seed: int) -> dict[str, int]:
    """Cut the tiles of the slides, if there are any; how many tiles each split has."""
    if not slides:
        return {}
    folders = {slide.patient: [root / slide.folder] for slide in slides}
    return prepare_tiles(root, folders, {slide.patient: slide.split for slide in slides}, settings, seed)


def _counts(
    stored: Mapping[str, Sections], scans: list[PlannedScan], slides: list[PlannedSlide], tiles: dict[str, int]
) -> CohortCounts:
    more = {
        "scans": {split: sum(scan.split == split for scan in scans) for split in SPLITS},
        "lesions_in_scans": sum(len(scan.lesions) for scan in scans),
        "slides": {split: sum(slide.split == split for slide in slides) for split in SPLITS} if slides else {},
        "tiles": tiles,
    }
    return section_counts(stored).model_copy(update=more)


def _describe_generator(
    stored: Mapping[str, Sections], test: list[PlannedSection], settings: PhantomSettings, seed: int
) -> GeneratorDescription:
    labels = np.array([section.label for section in test])
    return GeneratorDescription(
        format=FORMAT,
        seed=seed,
        settings=settings.model_dump(),
        agreement={split: _agreement(sections) for split, sections in stored.items()},
        bayes_accuracy=BayesAccuracy(
            test=bayes_accuracy.accuracy_of_posterior(posterior_of(test, settings, "test"), labels),
            population=bayes_accuracy.accuracy_of_population(settings, seed),
            sample=bayes_accuracy.SAMPLE,
            statement=bayes_accuracy.STATEMENT,
        ),
    )


def _agreement(sections: Sections) -> float | None:
    """Share of the sections with a pathology in which the reader names it; None where there are none."""
    image, pathology = sections.labels["image"], sections.labels["pathology"]
    known = pathology != MISSING
    return float(np.mean(image[known] == pathology[known])) if known.any() else None
