"""Lesions of a scan as small arrays with their place, whatever marked them."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lung_ssp.cohort.annotations.lobes import LOBES
from lung_ssp.cohort.nlst.labels import Place
from lung_ssp.ct.nodules import Nodule, equivalent_diameter
from lung_ssp.ct.section import make_section
from lung_ssp.ct.series import Series
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.ct.volume import Volume

Box = tuple[slice, slice, slice]
# by their numbers in annotations/lobes.py, from 1
LOBE_NAMES = tuple(f"{side[0]}{level[0]}L".upper() for side, level in sorted(LOBES, key=LOBES.__getitem__))


@dataclass(frozen=True, eq=False)
class Region:
    """One lesion of a scan.

    box: slices along (z, y, x) of the scan that just hold it.
    voxels: bool, the shape of the box.
    source: who marked it, e.g. "mask:nlstseg", "box:sybil", "candidate".
    score: 0..1 of a candidate, 1 of what a person has marked.
    lobe: RUL, RML, RLL, LUL or LLL as who marked it named it, or None.
    """

    box: Box
    voxels: np.ndarray
    source: str
    score: float = 1.0
    lobe: str | None = None

    def widest_slice(self) -> int:
        """The axial slice of its largest area, an index into the scan's z axis; the first of equals."""
        return int(self.box[0].start + np.count_nonzero(self.voxels, axis=(1, 2)).argmax())

    def centre(self) -> np.ndarray:
        """Its centroid, a fractional voxel index (z, y, x) of the scan."""
        return np.array([side.start for side in self.box]) + np.argwhere(self.voxels).mean(axis=0)

    def diameter_mm(self, volume: Volume) -> float:
        """Of the sphere of equal volume."""
        return equivalent_diameter(np.count_nonzero(self.voxels) * volume.voxel_mm3)

    def section(self, volume: Volume, settings: SectionSettings) -> np.ndarray:
        """The classifier's picture of it: float32 (size, size), 0..1 (ct/section.py)."""
        depth = self.box[0]
        slab = volume.hu[depth]
        mask = np.zeros(slab.shape, bool)
        mask[:, self.box[1], self.box[2]] = self.voxels
        return make_section(slab, volume.spacing, mask, settings)


def regions_of_labels(labels: np.ndarray, source: str) -> list[Region]:
    """One region for each label 1, 2, ... that occurs in a label volume, uint8 (z, y, x)."""
    return [
        Region(box, labels[box] == label, source)
        for label, box in enumerate(ndimage.find_objects(labels), start=1)
        if box is not None
    ]


def regions_of_nodules(nodules: list[Nodule]) -> list[Region]:
    """The candidates of a segmentation network as regions."""
    return [Region(nodule.box, nodule.voxels, "candidate", nodule.score) for nodule in nodules]


def place_of(region: Region, series: Series, midline_x: float, lobes: np.ndarray | None) -> Place:
    """Where a region lies, in the terms of the trial's tables.

    Args:
        midline_x: LPS millimetres; the patient's right lung lies below it.
        lobes: uint8 (z, y, x), numbered as in annotations/lobes.py, or None where nobody has marked them.
    """
    centre = region.centre()
    x = float(series.volume.to_world(centre)[0])
    return Place(
        source=region.source,
        slice_number=series.slices[region.widest_slice()].instance_number,
        side="right" if x < midline_x else "left",
        lobe=region.lobe if lobes is None else lobe_of(region, lobes),
        score=region.score,
    )


def lobe_of(region: Region, lobes: np.ndarray) -> str | None:
    """The lobe that holds most of a region, RUL, RML, RLL, LUL or LLL; None where it lies outside all of them."""
    counts = np.bincount(lobes[region.box][region.voxels], minlength=len(LOBE_NAMES) + 1)[1:]
    return lobe_name(int(counts.argmax()) + 1) if counts.any() else None


def lobe_name(number: int) -> str | None:
    """The name of a lobe by its number in annotations/lobes.py, None for 0."""
    return LOBE_NAMES[number - 1] if number else None


def midline(lungs: np.ndarray, volume: Volume) -> float:
    """The x (LPS, mm) between the lungs: the sagittal plane in the middle third of their width that cuts least of them.

    Where several cut equally little, the middle one of them. The lung mask is not empty.
    """
    areas = np.count_nonzero(lungs, axis=(0, 1))
    occupied = np.flatnonzero(areas)
    width = occupied[-1] - occupied[0] + 1
    first = occupied[0] + width // 3
    middle = areas[first : occupied[-1] + 1 - width // 3]
    least = np.flatnonzero(middle == middle.min())
    return float(volume.to_world(np.array([0, 0, first + least[len(least) // 2]]))[0])
