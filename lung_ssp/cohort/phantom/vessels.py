"""Vessels and airways: trees of tubes that taper and branch, grown into the lungs and drawn into a volume."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from lung_ssp.cohort.phantom.chest import Chest
from lung_ssp.cohort.phantom.exact import length, settle

ARTERIES, VEINS, AIRWAYS = 620, 460, 24  # tips in each lung
WALL_MM = 0.8  # of an airway

Axes = tuple[np.ndarray, np.ndarray, np.ndarray]  # positions in mm of the voxels along z, y and x


@dataclass(frozen=True)
class Tubes:
    """Straight, tapering pieces of tube.

    start, end: float (n, 3) in mm, (z, y, x). start_radius, end_radius: float (n,) in mm.
    """

    start: np.ndarray
    end: np.ndarray
    start_radius: np.ndarray
    end_radius: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    def widened(self, by_mm: float) -> "Tubes":
        """The same tubes with a larger radius."""
        return Tubes(self.start, self.end, self.start_radius + by_mm, self.end_radius + by_mm)


def draw_tubes(coverage: np.ndarray, axes: Axes, tubes: Tubes) -> None:
    """Draw tubes into `coverage`, float32 (z, y, x): the share 0..1 of each voxel that they cover, in place."""
    softness = max(float(axes[2][1] - axes[2][0]), 0.5)
    reach = np.maximum(tubes.start_radius, tubes.end_radius)[:, None] + softness
    low, high = np.minimum(tubes.start, tubes.end) - reach, np.maximum(tubes.start, tubes.end) + reach
    first = np.stack([np.searchsorted(axis, low[:, a]) for a, axis in enumerate(axes)], axis=1)
    behind = np.stack([np.searchsorted(axis, high[:, a]) for a, axis in enumerate(axes)], axis=1)
    for index in np.flatnonzero((first < behind).all(axis=1)):
        box = tuple(map(slice, first[index], behind[index]))
        grid = [axis[side] for axis, side in zip(axes, box, strict=True)]
        covered = _coverage_by(grid, tubes, int(index), softness)
        np.maximum(coverage[box], covered, out=coverage[box])


def _coverage_by(grid: list[np.ndarray], tubes: Tubes, index: int, softness: float) -> np.ndarray:
    """The share of each voxel of a small grid that one tube covers, float32 (z, y, x)."""
    start = tubes.start[index]
    z, y, x = (axis.astype(np.float32) - np.float32(s) for axis, s in zip(grid, start, strict=True))
    z, y = z[:, None, None], y[:, None]
    direction = (tubes.end[index] - start).astype(np.float32)
    dz, dy, dx = direction
    length2 = np.maximum(dz * dz + dy * dy + dx * dx, np.float32(1e-6))
    along = np.clip((z * dz + (y * dy + x * dx)) / length2, 0, 1)
    distance = np.sqrt((z - along * dz) ** 2 + (y - along * dy) ** 2 + (x - along * dx) ** 2)
    first, last = tubes.start_radius[index], tubes.end_radius[index]
    radius = np.float32(first) + along * np.float32(last - first)
    # thinner than a voxel: the tube covers only part of it, however well it is centred
    share = np.minimum(1, 2 * radius / np.float32(softness))
    return np.clip((radius - distance) / np.float32(softness) + 0.5, 0, 1) * share


def grow_tree(
    root: np.ndarray, targets: np.ndarray, tip_radius: float, branching: float, wiggle: float, rng: np.random.Generator
) -> Tubes:
    """Grow a tree from the root to every target: each is joined, nearest first, to the closest part of the tree.

    Radii follow Murray's law, r^branching = sum of the branches' r^branching (3 in the ideal case; Murray 1926), so
    that the tubes taper from the root to tips of `tip_radius`.

    Args:
        root: (3,) mm. targets: (n, 3) mm.
        wiggle: how far the middle of a piece leaves the straight line, as a share of its length.
    """
    points = np.empty((1 + 2 * len(targets), 3))
    parent = np.full(len(points), -1)
    points[0] = root
    from_root = np.zeros(len(points))
    known = 1
    for target in targets[np.argsort(length(targets - root), kind="stable")]:
        # a vessel runs outwards: going back towards the root to be joined costs more than a detour along the tree
        to_target = length(points[:known] - target)
        nearest = int(np.argmin(to_target + 0.35 * from_root[:known]))
        middle = (points[nearest] + target) / 2 + rng.normal(0, wiggle * to_target[nearest], 3)
        points[known], points[known + 1] = middle, target
        parent[known], parent[known + 1] = nearest, known
        from_root[known : known + 2] = length(points[known : known + 2] - root)
        known += 2
    children = np.bincount(parent[1:], minlength=len(points))
    power = np.where(children == 0, tip_radius**branching, 0.0)
    for node in range(len(points) - 1, 0, -1):  # children come after their parents
        power[parent[node]] += power[node]
    radius = settle(np.power(power, 1 / branching))
    parent = parent[1:]
    flared = np.minimum(1.15 * radius[1:], radius[parent])  # where a piece leaves its parent: its own radius, flared
    return Tubes(points[parent], points[1:], flared, radius[1:])


def grow_lung_trees(chest: Chest, lung_points: np.ndarray, rng: np.random.Generator) -> tuple[Tubes, Tubes]:
    """Grow arteries and veins, and airways, from the hila into both lungs.

    Args:
        lung_points: (n, 3) mm (z, y, x), places evenly spread over both lungs, not too near their surface.

    Returns:
        the vessels, and the airways from the trachea on (radii of the lumen).
    """

    def some(points: np.ndarray, count: int) -> np.ndarray:
        return points[rng.choice(len(points), size=min(count, len(points)), replace=False)]

    carina = np.array([chest.carina_z, 0.08 * chest.half_depth, 0.0])
    above = np.array([chest.lung_height + 60, -0.05 * chest.half_depth, 0.0])
    vessels, airways = [], [Tubes(above[None], carina[None], np.array([8.5]), np.array([8.0]))]
    for sign in (-1, 1):
        own = lung_points[np.sign(lung_points[:, 2]) == sign]
        artery = np.array([chest.hilum_z + 4, 0.0, sign * 40.0])
        vein = np.array([chest.hilum_z - 12, -4.0, sign * 36.0])
        bronchus = np.array([chest.hilum_z + 2, 8.0, sign * 38.0])
        vessels.append(grow_tree(artery, some(own, ARTERIES), 0.55, 2.6, 0.09, rng))
        vessels.append(grow_tree(vein, some(own, VEINS), 0.55, 2.6, 0.09, rng))
        airways.append(Tubes(carina[None], bronchus[None], np.array([6.8]), np.array([5.6])))
        airways.append(grow_tree(bronchus, some(own, AIRWAYS), 0.5, 1.5, 0.06, rng))
    return join_tubes(vessels), join_tubes(airways)


def join_tubes(pieces: Sequence[Tubes]) -> Tubes:
    """All tubes of several sets; none give an empty set."""
    if not pieces:
        return Tubes(np.empty((0, 3)), np.empty((0, 3)), np.empty(0), np.empty(0))
    return Tubes(*(np.concatenate([getattr(p, field.name) for p in pieces]) for field in fields(Tubes)))
