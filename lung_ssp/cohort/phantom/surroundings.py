"""The surroundings of a single lesion: lung with vessels, perhaps the chest wall or the mediastinum."""

import math
from dataclasses import dataclass

import numpy as np

from lung_ssp.cohort.phantom import tissue
from lung_ssp.cohort.phantom.attributes import LesionAttributes
from lung_ssp.cohort.phantom.exact import settled, to_unit
from lung_ssp.cohort.phantom.randomness import SmoothField
from lung_ssp.cohort.phantom.vessels import Axes, Tubes, draw_tubes, join_tubes


@dataclass(frozen=True)
class Boundary:
    """A surface that bounds the lung near a lesion.

    normal: (3,) unit vector (z, y, x) out of the lung. distance_mm: from the lesion's centre. bend_mm: radius of its
    curvature, positive for a hollow chest wall, negative for a mediastinum that bulges into the lung.
    mediastinal: whether the mediastinum or the chest wall lies beyond.
    """

    normal: np.ndarray
    distance_mm: float
    bend_mm: float
    mediastinal: bool


@dataclass(frozen=True)
class Surroundings:
    """What lies around a lesion, as drawn; rendering it adds only the texture.

    lung_hu: the parenchyma's. vessels: the tubes in the lung. finding: the tubes of the vessel that is taken for a
    lesion or lies against it (may be none). boundary: of the lung, if it is near.
    """

    lung_hu: float
    vessels: Tubes
    finding: Tubes
    boundary: Boundary | None


def draw_surroundings(
    attributes: LesionAttributes, lung_hu: float, reach_mm: float, rng: np.random.Generator
) -> Surroundings:
    """Draw what surrounds a lesion, to `reach_mm` on every side of its centre."""
    radius = attributes.diameter_mm / 2
    boundary = None
    match attributes.location:
        case "wall":
            boundary = _boundary(radius * rng.uniform(0.45, 0.85), mediastinal=False, rng=rng)
        case "mediastinum":
            boundary = _boundary(radius * rng.uniform(0.1, 0.6), mediastinal=True, rng=rng)
        case _:
            if rng.random() < 0.35:
                boundary = _boundary(radius + rng.uniform(3, 22), mediastinal=bool(rng.random() < 0.25), rng=rng)
    if attributes.finding == "vessel":
        finding = _vessel(np.zeros(3), radius, reach_mm, rng)
    elif attributes.location == "vessel":
        beside = rng.normal(size=3)
        place = to_unit(beside) * radius * rng.uniform(0.6, 1.0)
        finding = _vessel(place, rng.uniform(1.3, 3.5), reach_mm, rng)
    else:
        finding = join_tubes([])
    pieces = [
        _vessel(rng.uniform(-reach_mm, reach_mm, 3) * [0.4, 1, 1], 0.35 + rng.gamma(1.3, 0.40), reach_mm, rng)
        for _ in range(int(rng.integers(8, 20)))
    ]
    return Surroundings(lung_hu, join_tubes(pieces), finding, boundary)


def render_surroundings(
    surroundings: Surroundings, axes: Axes, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render the surroundings.

    Returns:
        HU, the share of each voxel that lies beyond the lung, and the share covered by the finding's vessel; all
        float32 (z, y, x).
    """
    z, y, x = (axis.astype(np.float32) for axis in axes)
    shape = (len(z), len(y), len(x))
    low, high = zip(*((axis[0], axis[-1]) for axis in axes), strict=True)
    texture = SmoothField(low, high, 5.0, rng).on(*axes)
    hu = tissue.parenchyma(surroundings.lung_hu, np.broadcast_to(y[:, None], shape), texture)

    vessels = np.zeros(shape, dtype=np.float32)
    draw_tubes(vessels, axes, surroundings.vessels)
    finding = np.zeros(shape, dtype=np.float32)
    draw_tubes(finding, axes, surroundings.finding)
    hu = tissue.cover(hu, tissue.BLOOD, np.maximum(vessels, finding))

    outside = np.zeros(shape, dtype=np.float32)
    if surroundings.boundary is not None:
        depth, along = _beyond(surroundings.boundary, z[:, None, None], y[:, None], x, texture)
        outside = np.clip(depth / np.float32(x[1] - x[0]) + 0.5, 0, 1)
        if surroundings.boundary.mediastinal:
            beyond = tissue.mediastinal_contents(np.roll(texture, 7, axis=2))
        else:
            beyond = tissue.chest_wall(depth, along, fat_from_mm=20.0)
        hu = tissue.cover(hu, beyond, outside)
    return hu, outside, finding


def _boundary(distance_mm: float, mediastinal: bool, rng: np.random.Generator) -> Boundary:
    angle = rng.uniform(0, 2 * np.pi)
    normal = np.array([rng.normal(0, 0.2), settled(math.sin(angle)), settled(math.cos(angle))])
    bend = -rng.uniform(30, 80) if mediastinal else rng.uniform(70, 130)
    return Boundary(to_unit(normal), float(distance_mm), float(bend), mediastinal)


def _beyond(
    boundary: Boundary, z: np.ndarray, y: np.ndarray, x: np.ndarray, texture: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far each voxel lies beyond the boundary, and its position across the ribs, both in mm."""
    nz, ny, nx = (np.float32(n) for n in boundary.normal)
    outward = z * nz + (y * ny + x * nx)
    sideways = y * nx - x * ny
    bulge = (sideways**2 + (z * z)) / np.float32(2 * boundary.bend_mm)
    uneven = texture * np.float32(1.2 if boundary.mediastinal else 0.2)
    depth = outward - np.float32(boundary.distance_mm) + bulge + uneven
    return depth, z + np.float32(0.7) * sideways + np.float32(13 * boundary.normal[1])


def _vessel(place: np.ndarray, radius: float, reach_mm: float, rng: np.random.Generator) -> Tubes:
    """A gently curved, tapering vessel through `place` that may send off a branch there."""
    direction = to_unit(rng.normal(size=3))
    length = reach_mm * rng.uniform(0.6, 1.2)
    bend = rng.normal(0, 0.15, 3) * length
    points = [place - direction * length + bend, place, place + direction * length + bend]
    radii = [radius * 1.25, radius, radius * 0.7]
    vessel = Tubes(np.array(points[:2]), np.array(points[1:]), np.array(radii[:2]), np.array(radii[1:]))
    if rng.random() >= 0.6:
        return vessel
    branch = direction + rng.normal(0, 0.7, 3)
    end = place + to_unit(branch) * length * 0.8
    return join_tubes([vessel, Tubes(place[None], end[None], np.array([radius * 0.8]), np.array([radius * 0.45]))])
