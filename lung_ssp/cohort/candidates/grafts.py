"""Archived nodules set into the lungs of scans without any, so that both kinds of candidates come from one scanner."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lung_ssp.cohort.nodules.store import StoredNodule
from lung_ssp.ct.patch import Spot, Stack, cut_patch
from lung_ssp.ct.settings import PatchSettings

OPAQUE = 1000  # a share of 1 as a whole number, which a patch holds


@dataclass(frozen=True, eq=False)
class Graft:
    """A nodule cut out of its slices.

    patch: int16 HU (slices, size, size). share: float32 of the same shape, how much of a pixel is nodule, 0..1.
    below_mm, above_mm: how far the nodule reaches from its centre, down and up.
    """

    patch: np.ndarray
    share: np.ndarray
    below_mm: float
    above_mm: float
    diameter_mm: float


def graft_of(nodule: StoredNodule, spot: Spot, settings: PatchSettings) -> Graft:
    """A nodule of an archive: what any reader marked and a pixel around it, for readers leave out the contour."""
    pixel = nodule.row.pixel_mm
    marked = ndimage.binary_dilation(nodule.readers > 0, np.ones((1, 3, 3), bool))
    hu, share = (
        cut_patch(Stack(values.astype(np.int16), nodule.z_mm, (pixel, pixel)), spot, settings)
        for values in (nodule.hu, OPAQUE * marked)
    )
    middle = nodule.z_mm[min(max(round(spot.centre[0]), spot.first), spot.last)]
    below, above = middle - nodule.z_mm[spot.first], nodule.z_mm[spot.last] - middle
    return Graft(hu, share.astype(np.float32) / OPAQUE, float(below), float(above), nodule.row.diameter_mm)


def grafted(graft: Graft, stack: Stack, place: np.ndarray, settings: PatchSettings) -> tuple[Spot, np.ndarray]:
    """A nodule set into a scan at a place (z, y, x): where it lies then, and its patch, int16 HU."""
    z, y, x = place.tolist()
    near = (stack.z_mm >= stack.z_mm[z] - graft.below_mm) & (stack.z_mm <= stack.z_mm[z] + graft.above_mm)
    inside = np.flatnonzero(near)
    spot = Spot((float(z), float(y), float(x)), int(inside[0]), int(inside[-1]))
    lung = cut_patch(stack, spot, settings)
    return spot, np.rint(graft.share * graft.patch + (1 - graft.share) * lung).astype(np.int16)
