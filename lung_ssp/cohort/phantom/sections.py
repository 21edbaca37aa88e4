"""The sections of the embedded cohort: planned, read, rendered."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.phantom import tissue
from lung_ssp.cohort.phantom.attributes import LesionAttributes, log_posterior
from lung_ssp.cohort.phantom.lesion import draw_surface, render_lesion
from lung_ssp.cohort.phantom.patients import Patient
from lung_ssp.cohort.phantom.randomness import READER, between, generator
from lung_ssp.cohort.phantom.reader import read_lesions
from lung_ssp.cohort.phantom.scanner import FINE_SLICES, acquire, average_slices, draw_scanner
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.cohort.phantom.surroundings import draw_surroundings, render_surroundings
from lung_ssp.cohort.store import SPLITS
from lung_ssp.ct.section import make_section
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.process_pool import ProcessPool

# Rendered beyond the field, which is centred on the lesion's centroid in the slice and not on its centre.
MARGIN_MM = 6.0


@dataclass(frozen=True)
class PlannedSection:
    """One section before it is rendered.

    key: of the lesion's random numbers. year: how many years the lesion was seen before. study_year: 0..2.
    label: the pathology, whether or not it is known to anybody. pathology: the label given, or -1.
    """

    patient: str
    key: tuple[int, ...]
    year: int
    study_year: int
    label: int
    pathology: int
    attributes: LesionAttributes
    lung_hu: float


def plan_sections(patients: list[Patient], split: str) -> list[PlannedSection]:
    """All sections of a split: one for each finding and year, patient by patient."""
    return [
        PlannedSection(
            patient=patient.name,
            key=finding.key,
            year=year,
            study_year=finding.first_year + year,
            label=finding.label,
            pathology=finding.label if patient.has_pathology else MISSING,
            attributes=attributes,
            lung_hu=patient.lung_hu,
        )
        for patient in patients
        if patient.split == split
        for finding in patient.findings
        for year, attributes in enumerate(finding.years)
    ]


def posterior_of(sections: list[PlannedSection], settings: PhantomSettings, split: str) -> np.ndarray:
    """(n, 9) log p(class | true attributes) with the classes' shares in the split as priors."""
    counts = np.array(settings.sections.counts.of(split).as_list(), dtype=float)
    return log_posterior([s.attributes for s in sections], settings.looks.of_classes(), counts / counts.sum())


def image_labels(sections: list[PlannedSection], settings: PhantomSettings, seed: int, split: str) -> np.ndarray:
    """(n,) int64: the reader's opinion of each section of a split."""
    counts = settings.sections.counts.of(split)
    shares = np.array(counts.as_list(), dtype=float) / counts.total
    split_index = SPLITS.index(split)
    calls = settings.reader.normal_calls
    return read_lesions(
        posterior_of(sections, settings, split),
        np.array([section.attributes.diameter_mm for section in sections]),
        shares,
        counts.normal if calls is None else calls[split_index],
        settings.reader,
        generator(seed, READER, split_index),
    )


def render_sections(
    sections: list[PlannedSection],
    settings: PhantomSettings,
    section_settings: SectionSettings,
    seed: int,
    pool: ProcessPool,
    progress: str | None = None,
) -> np.ndarray:
    """Render sections, float32 (n, size, size) in 0..1; the number of processes does not change the result."""
    render = partial(render_section, settings=settings, section_settings=section_settings, seed=seed)
    return np.stack(pool.map(render, sections, chunk=16, progress=progress, unit="section"))


def render_section(
    section: PlannedSection, settings: PhantomSettings, section_settings: SectionSettings, seed: int
) -> np.ndarray:
    """Render one section, float32 (size, size) in 0..1.

    A lesion keeps its shape and surroundings over the years; the scanner, the noise and its place between two slices
    are each year's own.
    """
    hu, spacing, mask = render_scan_of(section, settings, section_settings.field_mm, seed)
    return make_section(hu, spacing, mask, section_settings)


def render_scan_of(
    section: PlannedSection, settings: PhantomSettings, field_mm: float, seed: int
) -> tuple[np.ndarray, tuple[float, float, float], np.ndarray]:
    """The small scan around one lesion: HU int16 (z, y, x), its spacing in mm, and the lesion's mask."""
    attributes = section.attributes
    shape_rng, matter_rng, texture_rng = (generator(seed, *section.key, purpose) for purpose in range(3))
    scan_rng = generator(seed, *section.key, 3, section.year)
    scanner = draw_scanner(settings.scanner, scan_rng)
    pixel = between(settings.sections.pixel_mm, scan_rng)
    slice_mm = between(settings.sections.slice_mm, scan_rng)

    side = field_mm / 2 + MARGIN_MM
    height = attributes.diameter_mm * 0.65 + slice_mm
    shift = scan_rng.uniform(-0.5, 0.5, 3)
    slices = 2 * int(np.ceil(height / slice_mm)) * FINE_SLICES
    axes = (
        (np.arange(slices) - slices / 2 + shift[0]) * slice_mm / FINE_SLICES,
        *(np.arange(-side, side, pixel) + pixel * shift[axis] for axis in (1, 2)),
    )

    surroundings = draw_surroundings(attributes, section.lung_hu, side, shape_rng)
    truth, outside, vessel = render_surroundings(surroundings, axes, texture_rng)
    match attributes.finding:
        case "nodule":
            coverage, hu = render_lesion(attributes, axes, draw_surface(attributes, shape_rng), matter_rng)
            coverage *= 1 - outside  # it ends at the pleura
            truth = tissue.cover(truth, hu, coverage)
        case "vessel":
            coverage = vessel * (1 - outside) * _ball(axes, attributes.diameter_mm)
        case _:
            coverage = _ball(axes, attributes.diameter_mm)
    mask = average_slices(coverage) >= 0.5
    if not mask.any():  # thinner than a voxel everywhere: what the scan holds of it is its fullest voxels
        mask = average_slices(coverage) >= average_slices(coverage).max()
    return acquire(truth, pixel, scanner, scan_rng), (slice_mm, pixel, pixel), mask


def _ball(axes: tuple[np.ndarray, ...], diameter_mm: float) -> np.ndarray:
    """Coverage by a ball about the origin, float32 (z, y, x)."""
    z, y, x = axes
    distance = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    return np.clip(diameter_mm / 2 - distance + 0.5, 0, 1).astype(np.float32)
