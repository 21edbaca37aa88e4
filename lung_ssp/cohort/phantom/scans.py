"""Whole chests: planned, rendered and scanned, with the true lungs and lesions."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from lung_ssp.cohort.phantom import tissue
from lung_ssp.cohort.phantom.anatomy import Anatomy
from lung_ssp.cohort.phantom.attributes import LesionAttributes, draw_lesion
from lung_ssp.cohort.phantom.chest import draw_chest
from lung_ssp.cohort.phantom.lesion import draw_surface, render_lesion
from lung_ssp.cohort.phantom.patients import LUNG_HU, STUDY_YEARS, patient_name
from lung_ssp.cohort.phantom.placement import place_lesions, survey_chest
from lung_ssp.cohort.phantom.randomness import SCAN, SCAN_PLAN, between, generator
from lung_ssp.cohort.phantom.scanner import FINE_SLICES, acquire, average_slices, draw_scanner, mask_outside_field
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.cohort.phantom.shapes import Plane
from lung_ssp.cohort.phantom.vessels import WALL_MM, Axes, Tubes, draw_tubes, grow_lung_trees
from lung_ssp.cohort.store import SPLITS

ABOVE_APEX_MM = 18.0  # where a scan begins
BELOW_DOME_MM = 62.0  # and where it ends: below it only the deepest recesses of the lungs are lost


@dataclass(frozen=True)
class PlannedScan:
    """One scan before it is rendered: index of its random numbers, patient, split, year 0..2, lesions, labels 0..8."""

    index: int
    patient: str
    split: str
    study_year: int
    lesions: tuple[LesionAttributes, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class PhantomScan:
    """One scan and its truth.

    hu: int16 (z, y, x), z towards the head, y to the back, x to the patient's left. spacing: (z, y, x) mm. origin:
    (x, y, z) mm of voxel (0, 0, 0) in the patient's coordinates (LPS). lungs: bool (z, y, x), with the vessels and
    lesions in them, without mediastinum and hila. lesions: uint8 (z, y, x), 0 or the lesion's number from 1.
    centres_mm: (n, 3), their centres (x, y, z) in mm in the patient's coordinates. padding_hu: outside the field.
    """

    hu: np.ndarray
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    lungs: np.ndarray
    lesions: np.ndarray
    centres_mm: np.ndarray
    padding_hu: int


def plan_scans(settings: PhantomSettings, seed: int) -> list[PlannedScan]:
    """Spread the configured lesions of each class evenly over the patients of the scans."""
    rng = generator(seed, SCAN_PLAN)
    patients = settings.scans.patients
    classes = settings.looks.of_classes()
    labels = np.repeat(np.arange(len(classes)), settings.scans.lesions.as_list())
    lesions: list[list[tuple[int, LesionAttributes]]] = [[] for _ in range(sum(patients))]
    for turn, label in enumerate(rng.permutation(labels)):
        lesions[turn % len(lesions)].append((int(label), _draw_nodule(classes[label], settings, rng)))
    splits = np.repeat(SPLITS, patients)
    return [
        PlannedScan(
            index=index,
            patient=patient_name(index + 1),
            split=str(split),
            study_year=int(rng.integers(STUDY_YEARS)),
            lesions=tuple(lesion for _, lesion in of_patient),
            labels=tuple(label for label, _ in of_patient),
        )
        for index, (split, of_patient) in enumerate(zip(splits, lesions, strict=True))
    ]


def _draw_nodule(looks: list, settings: PhantomSettings, rng: np.random.Generator) -> LesionAttributes:
    """A lesion that is there (no vessel, not nothing), shrunk to a nodule if it is larger."""
    while (lesion := draw_lesion(looks, 1, rng)[0]).finding != "nodule":
        pass
    if lesion.diameter_mm <= settings.scans.max_diameter_mm:
        return lesion
    return replace(lesion, diameter_mm=settings.scans.max_diameter_mm * float(rng.uniform(0.7, 1.0)))


def make_scan(planned: PlannedScan, settings: PhantomSettings, seed: int) -> PhantomScan:
    """Render one patient's chest and scan it."""
    rng = generator(seed, SCAN, planned.index)
    scanner = draw_scanner(settings.scanner, rng)
    field_mm = between(settings.scans.field_mm, rng)
    chest = draw_chest(field_mm, between(LUNG_HU, rng), rng)
    axes = _axes(settings, field_mm, chest.lung_height, rng)
    low, high = (tuple(float(axis[end]) for axis in axes) for end in (0, -1))
    anatomy = Anatomy(chest, low, high, rng)

    survey = survey_chest(anatomy, low, high)
    inner = survey.places[survey.to_surface > 3]
    vessels, airways = grow_lung_trees(chest, inner + rng.uniform(-1.5, 1.5, inner.shape), rng)
    centres = place_lesions(list(planned.lesions), survey, vessels, rng)

    truth, lung = _render_chest(anatomy, axes)
    _add_trees(truth, lung, axes, vessels, airways)
    lesion_labels = _add_lesions(truth, lung, axes, planned.lesions, centres, rng)

    z, y, x = axes
    pixel, slice_mm = float(x[1] - x[0]), float(z[1] - z[0]) * FINE_SLICES
    hu = mask_outside_field(acquire(truth, pixel, scanner, rng), scanner.padding_hu)
    return PhantomScan(
        hu=hu,
        spacing=(slice_mm, pixel, pixel),
        origin=(float(x[0]), float(y[0]), float(z[:FINE_SLICES].mean())),
        lungs=(average_slices(lung) >= 0.5) | (lesion_labels > 0),
        lesions=lesion_labels,
        centres_mm=centres[:, ::-1],
        padding_hu=scanner.padding_hu,
    )


def _axes(settings: PhantomSettings, field_mm: float, lung_height: float, rng: np.random.Generator) -> Axes:
    """Positions in mm of the fine voxels along z, y and x, from below the diaphragm's domes to above the apices."""
    slice_mm = round(between(settings.scans.slice_mm, rng), 3)  # as exact as the DICOM files can say it
    top = lung_height + ABOVE_APEX_MM
    fewest, most = settings.scans.slices
    slices = min(max(round((top + BELOW_DOME_MM) / slice_mm), fewest), most)
    pixel = round(field_mm / settings.scans.size, 4)
    plane = (np.arange(settings.scans.size) - (settings.scans.size - 1) / 2) * pixel
    return top - np.arange(slices * FINE_SLICES)[::-1] * (slice_mm / FINE_SLICES), plane, plane


def _render_chest(anatomy: Anatomy, axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    """HU and the share of lung in each fine voxel, float32 (z, y, x)."""
    hu, lung = (np.empty([len(axis) for axis in axes], dtype=np.float32) for _ in range(2))
    plane = Plane.of_axes(*axes[1:])
    for index, height in enumerate(axes[0]):
        truth = anatomy.slice_at(float(height), plane)
        hu[index], lung[index] = truth.hu, truth.lung
    return hu, lung


def _add_trees(hu: np.ndarray, lung: np.ndarray, axes: Axes, vessels: Tubes, airways: Tubes) -> None:
    """Draw vessels, only in the lung, and airways (walls, then lumen) over `hu`, in place."""
    walls = airways.widened(WALL_MM)
    for tubes, material in ((vessels, tissue.BLOOD), (walls, tissue.BLOOD - 10), (airways, tissue.AIR + 10)):
        coverage = np.zeros(hu.shape, dtype=np.float32)
        draw_tubes(coverage, axes, tubes)
        if tubes is vessels:
            coverage *= lung
        hu += (material - hu) * coverage


def _add_lesions(
    hu: np.ndarray,
    lung: np.ndarray,
    axes: Axes,
    lesions: tuple[LesionAttributes, ...],
    centres: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the lesions over `hu`, in place, as far as they lie in the lung; their labels on the scan's grid, uint8."""
    slices = hu.shape[0] // FINE_SLICES
    labels = np.zeros((slices, *hu.shape[1:]), dtype=np.uint8)
    for number, (lesion, centre) in enumerate(zip(lesions, centres, strict=True), start=1):
        reach = lesion.diameter_mm * 0.8 + 3
        box = tuple(
            slice(*np.searchsorted(axis, (c - reach, c + reach)).tolist()) for axis, c in zip(axes, centre, strict=True)
        )
        start = box[0].start // FINE_SLICES * FINE_SLICES
        stop = min(-(-box[0].stop // FINE_SLICES) * FINE_SLICES, hu.shape[0])
        box = (slice(start, stop), *box[1:])
        own_axes = tuple(axis[side] - c for axis, side, c in zip(axes, box, centre, strict=True))
        coverage, own_hu = render_lesion(lesion, own_axes, draw_surface(lesion, rng), rng)
        coverage *= lung[box]
        hu[box] = tissue.cover(hu[box], own_hu, coverage)
        mask = _largest_part(average_slices(coverage) >= 0.5)
        of_scan = (slice(start // FINE_SLICES, stop // FINE_SLICES), *box[1:])
        labels[of_scan][mask] = number
    return labels


def _largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest connected part; an edge of the lung can cut a lesion in two."""
    parts, count = ndimage.label(mask)
    if count <= 1:
        return mask
    return parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
