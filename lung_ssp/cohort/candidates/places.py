"""Places that are candidates: real nodules, what a segmentation network finds beside them, and places at random."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from scipy import ndimage

from lung_ssp.cohort.candidates.settings import PlaceSettings
from lung_ssp.cohort.candidates.store import Kind
from lung_ssp.cohort.nodules.store import StoredNodule
from lung_ssp.ct.lesion import Candidate, lesions_of_labels
from lung_ssp.ct.patch import Spot, Stack
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import NOT_COUNTED

LEAST_LUNG = 0.1  # share of a disc, beside a vessel
NODULE_EXTENT_MM = (2.0, 12.0)  # height of a random place, as nodules have it


class CandidateFinder(Protocol):
    """A segmentation network; it knows no lesion."""

    def in_scan(self, volume: Volume, lungs: np.ndarray) -> Sequence[Candidate]:
        """The candidates of a scan, the most suspicious first; `lungs` is its mask, bool (z, y, x)."""

    def in_nodule(self, nodule: StoredNodule) -> tuple[Volume, Sequence[Candidate]]:
        """The slices of an archived nodule as a volume, and the candidates in them."""


@dataclass(frozen=True)
class Found:
    """A candidate of a stack, and of which kind it is."""

    spot: Spot
    kind: Kind
    diameter_mm: float | None = None
    score: float | None = None


def of_nodule(
    nodule: StoredNodule, finder: CandidateFinder, settings: PlaceSettings, alone: bool, rng: np.random.Generator
) -> list[Found]:
    """The candidates of an archived nodule: itself, and false ones well away from all that a reader marked.

    Args:
        alone: whether no other nodule of its patient may lie in its slices, unmarked in them: else there are no false
            candidates.
    """
    volume, candidates = finder.in_nodule(nodule)
    majority = nodule.majority
    slices = np.flatnonzero(majority.any(axis=(1, 2)))
    z, y, x = np.argwhere(majority).mean(axis=0).tolist()
    found = [Found(Spot((z, y, x), int(slices[0]), int(slices[-1])), "nodule", nodule.row.diameter_mm)]
    if not alone:
        return found
    away = ndimage.distance_transform_edt(nodule.readers == 0, sampling=volume.spacing) >= settings.clear_mm
    pixel_mm = nodule.row.pixel_mm
    in_lung = _share_of_lung(nodule.hu, pixel_mm, settings.lung_mm, settings) >= settings.lung_share
    border = math.ceil(settings.inside_mm / pixel_mm)
    in_lung[:, :border] = in_lung[:, -border:] = in_lung[:, :, :border] = in_lung[:, :, -border:] = False
    for candidate in candidates:
        lesion, spot = candidate.lesion, Spot.of(candidate.lesion, volume)
        middle = tuple(np.rint(spot.centre).astype(int))
        if away[lesion.box][lesion.voxels].all() and in_lung[middle]:
            found.append(Found(spot, "found", lesion.diameter_mm, candidate.score))
    places = away & in_lung & _vessels(nodule.hu, pixel_mm, settings)
    return [*found, *_random_places(places, nodule.z_mm, settings.random_per_nodule, rng)]


def of_scan(
    volume: Volume,
    lungs: np.ndarray,
    lesions: np.ndarray,
    finder: CandidateFinder,
    settings: PlaceSettings,
    rng: np.random.Generator,
) -> list[Found]:
    """The candidates of a scan whose lesions are known: its lesions, and false ones that touch none of them.

    Args:
        lungs: bool (z, y, x). lesions: uint8 (z, y, x), NOT_COUNTED where it is not known what is there.
    """
    known = np.where(lesions == NOT_COUNTED, 0, lesions)
    found = [
        Found(Spot.of(lesion, volume), "nodule", lesion.diameter_mm) for lesion in lesions_of_labels(known, volume)
    ]
    for candidate in finder.in_scan(volume, lungs):
        lesion = candidate.lesion
        if not lesions[lesion.box][lesion.voxels].any():
            found.append(Found(Spot.of(lesion, volume), "found", lesion.diameter_mm, candidate.score))
    pixel_mm = volume.spacing[1]
    places = lungs & (lesions == 0) & _vessels(volume.hu, pixel_mm, settings)
    places &= _share_of_lung(volume.hu, pixel_mm, settings.lung_mm, settings) >= settings.lung_share
    return [*found, *_random_places(places, Stack.of(volume).z_mm, settings.random_per_scan, rng)]


def _vessels(hu: np.ndarray, pixel_mm: float, settings: PlaceSettings) -> np.ndarray:
    """bool (z, y, x): what is brighter than lung and has lung beside it, in its slice."""
    return (hu >= settings.random_hu) & (_share_of_lung(hu, pixel_mm, settings.vessel_mm, settings) > LEAST_LUNG)


def lung_places(
    volume: Volume, lungs: np.ndarray, lesions: np.ndarray, settings: PlaceSettings, rng: np.random.Generator
) -> np.ndarray:
    """Places at random in the lungs of a scan without lesions, where a nodule can be set in: int (n, 3), (z, y, x)."""
    share = _share_of_lung(volume.hu, volume.spacing[1], settings.lung_mm, settings)
    flat = np.flatnonzero(lungs & (lesions == 0) & (volume.hu < settings.lung_hu) & (share >= settings.lung_share))
    chosen = rng.choice(flat, min(settings.grafted_per_scan, len(flat)), replace=False) if len(flat) else flat
    return np.stack(np.unravel_index(chosen, lungs.shape), axis=1)


def _share_of_lung(hu: np.ndarray, pixel_mm: float, radius_mm: float, settings: PlaceSettings) -> np.ndarray:
    """float32 (z, y, x): the share of lung in the disc around each voxel, in its slice."""
    radius = max(1, round(radius_mm / pixel_mm))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.float32)
    lung = (hu < settings.lung_hu).astype(np.float32)
    return np.stack([cv2.filter2D(plane, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT) for plane in lung])


def _random_places(places: np.ndarray, z_mm: np.ndarray, count: int, rng: np.random.Generator) -> list[Found]:
    """At most `count` of the places, bool (z, y, x), each of a height that a nodule could have."""
    flat = np.flatnonzero(places)
    chosen = rng.choice(flat, min(count, len(flat)), replace=False) if len(flat) else flat
    found = []
    for z, y, x in zip(*np.unravel_index(chosen, places.shape), strict=True):
        half = rng.uniform(*NODULE_EXTENT_MM) / 2
        near = np.flatnonzero(np.abs(z_mm - z_mm[z]) <= half)
        found.append(Found(Spot((float(z), float(y), float(x)), int(near[0]), int(near[-1])), "random"))
    return found
