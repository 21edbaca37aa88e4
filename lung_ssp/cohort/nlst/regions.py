"""Lesions of a scan with their place in the lungs, whatever marked them."""

from dataclasses import dataclass

import numpy as np

from lung_ssp.cohort.annotations.lobe_masks import lobe_of_voxels
from lung_ssp.cohort.nlst.labels import Place
from lung_ssp.ct.lesion import Candidate, Lesion, lesions_of_labels
from lung_ssp.ct.series import Series
from lung_ssp.ct.volume import Volume


@dataclass(frozen=True, eq=False)
class Region:
    """A lesion of a scan, and who says that it is one.

    source: who marked it, e.g. "mask:nlstseg", "box:sybil", "candidate".
    score: 0..1 of a candidate, 1 of what a person has marked.
    lobe: RUL, RML, RLL, LUL or LLL as who marked it named it, or None.
    """

    lesion: Lesion
    source: str
    score: float = 1.0
    lobe: str | None = None


def regions_of_labels(labels: np.ndarray, volume: Volume, source: str) -> list[Region]:
    """One region for each label 1, 2, ... that occurs in a label volume, uint8 (z, y, x) of the scan's shape."""
    return [Region(lesion, source) for lesion in lesions_of_labels(labels, volume)]


def regions_of_candidates(candidates: list[Candidate]) -> list[Region]:
    """The candidates of a segmentation network as regions."""
    return [Region(candidate.lesion, "candidate", candidate.score) for candidate in candidates]


def place_of(region: Region, series: Series, midline_x: float, lobes: np.ndarray | None) -> Place:
    """Where a region lies, in the terms of NLST's tables.

    Args:
        midline_x: LPS millimetres; the patient's right lung lies below it.
        lobes: uint8 (z, y, x), numbered as in annotations/lobe_masks.py, or None where they are not known.
    """
    lesion = region.lesion
    return Place(
        source=region.source,
        slice_number=series.slices[lesion.slice_index].instance_number,
        side="right" if lesion.centre_mm[0] < midline_x else "left",
        lobe=region.lobe if lobes is None else lobe_of_voxels(lobes[lesion.box][lesion.voxels]),
        score=region.score,
    )


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
