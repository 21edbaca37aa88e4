"""Readings of one scan put together to nodules: which belong together, and which voxels enough readers marked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from lung_ssp.cohort.annotations.lidc import MOST_NODULES, ROUNDING
from lung_ssp.cohort.annotations.readings import Reading
from lung_ssp.errors import CohortError

NEARER = 0.9  # by which the distance is multiplied while a group has too many readings
LEAST_MM = 0.1  # below which it is not tried


@dataclass(frozen=True, eq=False)
class ReadNodule:
    """A nodule: its readings, and mask, bool (z, y, x): what at least the wanted share of them marked; or empty."""

    readings: tuple[Reading, ...]
    mask: np.ndarray


def group_outlines(points: Sequence[np.ndarray], apart_mm: float, most: int) -> list[list[int]]:
    """Groups of annotations whose outlines lie together, by pylidc's rule (Scan.cluster_annotations).

    Two belong together where the smallest distance between their outlines' points is at most `apart_mm`, and so do all
    that are connected in this way. Where a group has more than `most`, the distance is made smaller, by a tenth each
    time and down to 0.1 mm, and all are grouped again.

    Args:
        points: of each annotation, float (n, 3), mm.

    Returns:
        the indices of each group, in the order of their first members.
    """
    count = len(points)
    if not count:
        return []
    trees = [cKDTree(own) for own in points]
    distance = np.zeros((count, count))
    for one in range(count):
        for two in range(one + 1, count):
            distance[one, two] = distance[two, one] = trees[two].query(points[one])[0].min()
    while True:
        _, group = connected_components(distance <= apart_mm, directed=False)
        if np.bincount(group).max() <= most or apart_mm * NEARER < LEAST_MM:
            return [np.flatnonzero(group == number).tolist() for number in dict.fromkeys(group.tolist())]
        apart_mm *= NEARER


def group_readings(readings: Sequence[Reading], apart_mm: float, most: int) -> list[list[int]]:
    """Groups of readings of one nodule: as their files number the nodules, else by `group_outlines`."""
    numbers = [reading.nodule for reading in readings]
    if readings and None not in numbers:
        return [[i for i, own in enumerate(numbers) if own == number] for number in dict.fromkeys(numbers)]
    return group_outlines([reading.points for reading in readings], apart_mm, most)


def voxels_by_reader(readings: Sequence[Reading]) -> list[np.ndarray]:
    """The voxels that each reader of a nodule marked, each voxel once; annotations of unknown readers are one each."""
    pieces: dict[str, list[np.ndarray]] = {}
    for place, reading in enumerate(readings):
        reader = f"annotation {place}" if reading.reader is None else f"reader {reading.reader}"
        pieces.setdefault(reader, []).append(reading.voxels)
    return [np.unique(np.concatenate(own)) for own in pieces.values()]


def read_nodules(
    readings: Sequence[Reading], shape: tuple[int, ...], consensus: float, apart_mm: float, most: int
) -> list[ReadNodule]:
    """The nodules of a scan in the order of their first readings, also those on no voxel of which enough agree.

    Args:
        shape: of the scan, (z, y, x).
        consensus: the share of a nodule's readings that must have marked a voxel, above 0, at most 1.
        apart_mm, most: of `group_outlines`.

    Raises:
        CohortError: there are more than MOST_NODULES.
    """
    groups = group_readings(readings, apart_mm, most)
    if len(groups) > MOST_NODULES:
        raise CohortError(
            f"The readers marked {len(groups)} nodules, more than {MOST_NODULES}: too many to be numbered."
        )
    nodules = []
    for group in groups:
        own = tuple(readings[index] for index in group)
        drawn = voxels_by_reader(own)
        voxels, times = np.unique(np.concatenate(drawn), return_counts=True)
        mask = np.zeros(shape, bool)
        mask.reshape(-1)[voxels[times >= consensus * len(drawn) - ROUNDING]] = True
        nodules.append(ReadNodule(own, mask))
    return nodules
