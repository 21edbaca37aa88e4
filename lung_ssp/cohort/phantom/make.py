"""Preparing the embedded cohort: everything on disk from one seed, once, resumable."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lung_ssp.cohort.classes import MISSING, TASK_NAMES
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
from lung_ssp.cohort.phantom.bayes_accuracy import (
    SAMPLE,
    STATEMENT,
    accuracy_of_posterior,
    bayes_accuracy_of_population,
)
from lung_ssp.cohort.phantom.dicom import write_series
from lung_ssp.cohort.phantom.patients import Patient, plan_patients
from lung_ssp.cohort.phantom.process_pool import ProcessPool, process_pool
from lung_ssp.cohort.phantom.randomness import FILE_NAMES, generator
from lung_ssp.cohort.phantom.scans import PlannedScan, make_scan, plan_scans
from lung_ssp.cohort.phantom.sections import image_labels, plan_sections, posterior_of, render_sections
from lung_ssp.cohort.phantom.settings import PhantomCohortSettings, PhantomSettings
from lung_ssp.cohort.phantom.simulated_nlst.tables import write_nlst_tables
from lung_ssp.cohort.phantom.slides import PlannedSlide, plan_slides, write_slides
from lung_ssp.cohort.phantom.tables import (
    write_scans_tables,
    write_sections_table,
    write_slides_table,
)
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.cohort.slides.store import prepare_tiles
from lung_ssp.cohort.split import check_disjoint
from lung_ssp.cohort.store import (
    SPLITS,
    Sections,
    claim_folder,
    read_sections,
    section_counts,
    write_sections,
)
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.files import write_atomically

ORIGIN = "phantoms of the package's generator"
FORMAT = 1  # to be raised whenever the same settings and seed give other contents


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
    claim_folder(root, key)
    if (root / COHORT_FILE).is_file():
        return read_cohort(root)

    patients = plan_patients(settings, seed)
    scans = plan_scans(settings, seed)
    slides = plan_slides(patients, settings, seed)
    _check_splits(patients, scans)
    with process_pool(processes) as pool:
        for split in SPLITS:
            if not (root / "sections" / f"{split}.npz").is_file():
                write_sections(root, split, _sections(patients, split, settings, section_settings, seed, pool))
        _write_scans(root, scans, settings, seed, key, pool)
        write_slides(root, slides, settings, seed, key, pool)
    _write_tables(root, patients, scans, seed)

    tiles = {}
    if slides:
        write_slides_table(root, slides, settings, seed)
        tiles = _write_tiles(root, slides, tile_settings, seed)
    stored = {split: read_sections(root, split) for split in SPLITS}
    description = CohortDescription(
        name=cohort_settings.name,
        synthetic=True,
        origin=ORIGIN,
        fingerprint=cohort_fingerprint(root),
        key=key,
        section=section_settings,
        tiles=tile_settings if slides else None,
        counts=_counts(stored, scans, slides, tiles),
        generator=_describe_generator(stored, patients, settings, seed),
    )
    write_cohort(root, description)
    return description


def _check_splits(patients: list[Patient], scans: list[PlannedScan]) -> None:
    """Check that no patient is in two splits."""
    own = [(patient.name, patient.split) for patient in patients] + [(scan.patient, scan.split) for scan in scans]
    check_disjoint({split: [name for name, given in own if given == split] for split in SPLITS})


def _key(settings: PhantomSettings, section_settings: SectionSettings, tile_settings: SlideSettings, seed: int) -> str:
    """What a cohort is made from, as a number in hexadecimal; slides count where there are any."""
    phantom = settings.model_dump()
    if not any(settings.slides.patients):
        del phantom["slides"]
    made_from = {
        "format": FORMAT,
        "seed": seed,
        "phantom": phantom,
        "section": section_settings.model_dump(),
        **({"tiles": tile_settings.model_dump()} if "slides" in phantom else {}),
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _sections(
    patients: list[Patient],
    split: str,
    settings: PhantomSettings,
    section_settings: SectionSettings,
    seed: int,
    pool: ProcessPool,
) -> Sections:
    planned = plan_sections(patients, split)
    return Sections(
        images=render_sections(planned, settings, section_settings, seed, pool, progress=f"{split} sections"),
        labels={
            "image": image_labels(planned, settings, seed, split),
            "pathology": np.array([section.pathology for section in planned], dtype=np.int64),
        },
        patients=np.array([section.patient for section in planned]),
    )


def _write_scans(
    root: Path, scans: list[PlannedScan], settings: PhantomSettings, seed: int, key: str, pool: ProcessPool
) -> None:
    missing = [scan for scan in scans if not (root / "scans" / f"{scan.patient}.npz").is_file()]
    write = partial(_write_scan, root=root, settings=settings, seed=seed, key=key)
    for _ in tqdm(pool.map(write, missing), total=len(missing), desc="scans", unit="scan", disable=not missing):
        pass


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
    """Cut the tiles of the slides; how many tiles each split has."""
    folders = {slide.patient: [root / slide.folder] for slide in slides}
    return prepare_tiles(root, folders, {slide.patient: slide.split for slide in slides}, settings, seed)


def _write_tables(root: Path, patients: list[Patient], scans: list[PlannedScan], seed: int) -> None:
    planned = [section for split in SPLITS for section in plan_sections(patients, split)]
    stored = [read_sections(root, split) for split in SPLITS]
    write_sections_table(
        root,
        planned,
        {task: np.concatenate([sections.labels[task] for sections in stored]) for task in TASK_NAMES},
    )
    if scans:
        write_scans_tables(root, scans)
    write_nlst_tables(root, planned, scans, seed)


def _counts(
    stored: Mapping[str, Sections], scans: list[PlannedScan], slides: list[PlannedSlide], tiles: dict[str, int]
) -> CohortCounts:
    more = {
        "scans": {split: sum(scan.split == split for scan in scans) for split in SPLITS},
        "lesions_in_scans": sum(len(scan.lesions) for scan in scans),
    }
    if slides:
        more |= {"slides": {split: sum(slide.split == split for slide in slides) for split in SPLITS}}
    return section_counts(stored).model_copy(update={**more, "tiles": tiles})


def _describe_generator(
    stored: Mapping[str, Sections], patients: list[Patient], settings: PhantomSettings, seed: int
) -> GeneratorDescription:
    test = plan_sections(patients, "test")
    return GeneratorDescription(
        format=FORMAT,
        seed=seed,
        settings=settings.model_dump(),
        agreement={split: _agreement(sections) for split, sections in stored.items()},
        bayes_accuracy=BayesAccuracy(
            test=accuracy_of_posterior(
                posterior_of(test, settings, "test"), np.array([section.label for section in test])
            ),
            population=bayes_accuracy_of_population(settings, seed),
            sample=SAMPLE,
            statement=STATEMENT,
        ),
    )


def _agreement(sections: Sections) -> float | None:
    """Share of the sections with a pathology in which the reader names it; None where there are none."""
    image, pathology = sections.labels["image"], sections.labels["pathology"]
    known = pathology != MISSING
    if not known.any():
        return None
    return float(np.mean(image[known] == pathology[known]))
