"""Candidates of one probability map that lie close to each other, as one."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from lung_ssp.ct.volume import Box

Part = tuple[Box, np.ndarray]  # a box of the scan's voxels, and which of them, bool (z, y, x)


def merge_near(parts: Sequence[Part], spacing: tuple[float, float, float], distance_mm: float) -> list[Part]:
    """Join parts whose nearest voxels' centres are at most `distance_mm` apart, also through others, in their order."""
    trees = [cKDTree((np.argwhere(voxels) + _start(box)) * spacing) for box, voxels in parts]
    near = np.zeros((len(parts), len(parts)), bool)
    for i, one in enumerate(trees):
        for j, other in enumerate(trees[:i]):
            # their boxes first, which is quick
            near[i, j] = _gap(one, other) <= distance_mm and one.query(other.data)[0].min() <= distance_mm
    count, groups = connected_components(csr_matrix(near), directed=False)
    members = [[part for part, own in zip(parts, groups, strict=True) if own == group] for group in range(count)]
    return [own[0] if len(own) == 1 else _joined(own) for own in members]


def _start(box: Box) -> np.ndarray:
    return np.array([side.start for side in box])


def _gap(one: cKDTree, other: cKDTree) -> float:
    """The distance in mm of the boxes around two sets of points."""
    return float(np.linalg.norm(np.maximum(0, np.maximum(one.mins - other.maxes, other.mins - one.maxes))))


def _joined(parts: Sequence[Part]) -> Part:
    low = np.min([_start(box) for box, _ in parts], axis=0)
    high = np.max([[side.stop for side in box] for box, _ in parts], axis=0)
    voxels = np.zeros(high - low, bool)
    for box, own in parts:
        inner = tuple(slice(side.start - start, side.stop - start) for side, start in zip(box, low, strict=True))
        voxels[inner] |= own
    z, y, x = (slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True))
    return (z, y, x), voxels
