"""The body of a lesion: a smooth shape with lobes and spicules in three dimensions, and its attenuation."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lung_ssp.cohort.phantom.attributes import LesionAttributes
from lung_ssp.cohort.phantom.exact import cosines, decay, to_unit
from lung_ssp.cohort.phantom.randomness import SmoothField
from lung_ssp.cohort.phantom.vessels import Axes

POLAR, AZIMUTH = 48, 96  # directions of the table that holds the surface
TINY = np.float32(1e-6)


@dataclass(frozen=True)
class Surface:
    """A star-shaped surface: its distance from the centre in each direction.

    rotation: (3, 3) from (z, y, x) to the lesion's own axes. axes: (3,) its half axes in mm. relief: float32
    (POLAR, AZIMUTH + 1), the surface's distance relative to that ellipsoid, by `half_turn` from the first axis and by
    the turn about it; the last column repeats the first.
    """

    rotation: np.ndarray
    axes: np.ndarray
    relief: np.ndarray


def draw_surface(attributes: LesionAttributes, rng: np.random.Generator) -> Surface:
    """Draw a surface: an ellipsoid with lobes as bumps and spicules as thin spikes."""
    rotation = _random_rotation(rng)
    shortening = 1 - 0.65 * attributes.elongation * rng.uniform(0.7, 1.0, 2)
    axes = attributes.diameter_mm / 2 * np.array([1.0, 1.0, shortening[0]])
    axes[1] *= shortening[1] if rng.random() < attributes.elongation else 1.0  # a strand rather than a disk

    directions = directions_of_table()
    relief = 1 + 0.04 * _bumps(directions, 12, 12.0, rng)
    lobes = _bumps(directions, 4 + int(6 * attributes.lobulation), 5.0, rng)
    relief += 0.6 * attributes.lobulation * (lobes - 0.6)
    relief = np.clip(relief, 0.55, 1.25) * (1 + _spicules(directions, attributes, rng))
    relief = relief.reshape(POLAR, AZIMUTH).astype(np.float32)
    return Surface(rotation, axes, np.concatenate([relief, relief[:, :1]], axis=1))


def render_lesion(
    attributes: LesionAttributes, axes: Axes, surface: Surface, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Render a lesion whose centre is the origin of `axes` (positions of the voxels along z, y and x, in mm).

    Returns:
        the share 0..1 of each voxel that the lesion fills, and its HU; both float32 (z, y, x).
    """
    z, y, x = (axis.astype(np.float32) for axis in axes)
    own = [
        (z[:, None, None] * r[0] + (y[:, None] * r[1] + x * r[2])) / np.float32(half)
        for r, half in zip(surface.rotation.astype(np.float32), surface.axes, strict=True)
    ]
    across = own[1] ** 2 + own[2] ** 2
    distance = np.sqrt(own[0] ** 2 + across) + TINY
    near = distance < surface.relief.max() * 1.3
    depth = np.full(distance.shape, 9.0, dtype=np.float32)  # distance from the centre relative to the surface's
    polar = half_turn(own[0][near], np.sqrt(across[near])) * np.float32((POLAR - 1) / 2)
    forth = half_turn(own[2][near], np.abs(own[1][near]))
    azimuth = np.where(own[1][near] < 0, 4 - forth, forth) * np.float32(AZIMUTH / 4)
    surface_distance = ndimage.map_coordinates(surface.relief, [polar, azimuth], order=1, mode="nearest")
    depth[near] = distance[near] / surface_distance

    softness_mm = max(float(axes[2][1] - axes[2][0]), 0.5) + (1.5 if attributes.texture != "solid" else 0.0)
    scale = np.float32(attributes.diameter_mm / 2 / softness_mm)
    coverage = np.clip((1 - depth) * scale + 0.5, 0, 1)
    return coverage, _attenuation(attributes, depth, own, scale, axes, rng)


def half_turn(along: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """How far a direction turns from an axis: 0 along it, 1 across, 2 against it.

    It stands for the angle: it grows with it, and is a quotient, which is the same on every processor.

    Args:
        along: the component along the axis. beside: the length of that across it, not negative.
    """
    return 1 - along / (np.abs(along) + beside + TINY)


def _attenuation(
    attributes: LesionAttributes,
    depth: np.ndarray,
    own: list[np.ndarray],
    scale: np.float32,
    axes: Axes,
    rng: np.random.Generator,
) -> np.ndarray:
    """HU of the lesion's material, float32 (z, y, x); only where the lesion is does it matter."""
    low, high = zip(*((axis[0], axis[-1]) for axis in axes), strict=True)
    mottle = SmoothField(low, high, 3.0, rng.spawn(1)[0]).on(*axes)  # how many numbers it takes depends on the grid
    solid = np.float32(rng.normal(38, 8)) + 5 * mottle
    haze = np.float32(rng.normal(-600, 60)) + 55 * mottle

    def inside(share: float, centre: np.ndarray | None = None) -> np.ndarray:
        """Coverage by a smaller copy of the lesion, or of its ellipsoid about another centre (in half axes)."""
        if centre is None:
            return np.clip((share - depth) * scale + 0.5, 0, 1)
        away = np.sqrt(sum((o - np.float32(c)) ** 2 for o, c in zip(own, centre, strict=True)))
        return np.clip((share - away) * scale + 0.5, 0, 1)

    match attributes.texture:
        case "solid":
            hu = solid
        case "part-solid":
            core = inside(rng.uniform(0.35, 0.65))
            hu = haze + (solid - haze) * core
        case _:
            hu = haze
    if attributes.necrosis:
        centre = inside(rng.uniform(0.55, 0.75))
        hu = hu + (np.minimum(hu, np.float32(rng.normal(0, 8))) - hu) * centre
    if attributes.cavity:
        cavity = inside(rng.uniform(0.35, 0.62), rng.uniform(-0.15, 0.15, 3))
        hu = hu + (-930 - hu) * cavity
    match attributes.calcification:
        case "central":
            hu = hu + (np.float32(rng.uniform(300, 900)) - hu) * inside(rng.uniform(0.45, 0.9))
        case "eccentric":
            for _ in range(int(rng.integers(1, 4))):
                fleck = inside(rng.uniform(0.12, 0.25), rng.uniform(-0.4, 0.4, 3))
                hu = hu + (np.float32(rng.uniform(250, 600)) - hu) * fleck
    return hu.astype(np.float32)


def _bumps(directions: np.ndarray, count: int, sharpness: float, rng: np.random.Generator) -> np.ndarray:
    """The sum of rounded bumps about random directions, 0 to about 1, (n,)."""
    centres = _random_directions(count, rng)
    return decay(sharpness * (1 - cosines(directions, centres).max(axis=1)))


def _spicules(directions: np.ndarray, attributes: LesionAttributes, rng: np.random.Generator) -> np.ndarray:
    """Relative height of thin spikes above the surface, (n,)."""
    if attributes.spiculation < 0.15:
        return np.zeros(len(directions))
    count = int(4 + 26 * attributes.spiculation)
    radius = attributes.diameter_mm / 2
    height = rng.uniform(0.4, 1.0, count) * attributes.spiculation * min(3.0 + 0.5 * radius, 11.0) / radius
    width = np.clip(1.5 / radius, 0.08, 0.26)  # of the spike's foot, as an angle
    cosine = cosines(directions, _random_directions(count, rng))
    angle = np.sqrt(np.maximum(2 - 2 * cosine, 0))  # the chord: for angles so small hardly another
    return (height * np.clip(1 - angle / (2 * width), 0, 1)).max(axis=1)


def _random_directions(count: int, rng: np.random.Generator) -> np.ndarray:
    return to_unit(rng.normal(size=(count, 3)))


def _random_rotation(rng: np.random.Generator) -> np.ndarray:
    """Three unit vectors at right angles, the columns of (3, 3); every orientation is as likely as any other."""
    columns: list[np.ndarray] = []
    for vector in rng.normal(size=(3, 3)).T:
        for column in columns:
            vector = vector - column * (column * vector).sum()
        columns.append(to_unit(vector))
    return np.stack(columns, axis=1)


def directions_of_table() -> np.ndarray:
    """The unit vectors of the directions of the table, (POLAR * AZIMUTH, 3)."""
    polar, azimuth = np.meshgrid(np.linspace(0, 2, POLAR), np.linspace(0, 4, AZIMUTH, endpoint=False), indexing="ij")
    along, across = 1 - polar, 1 - np.abs(1 - polar)
    forward, sideways = np.abs(azimuth - 2) - 1, 1 - np.abs(azimuth % 2 - 1)
    around = to_unit(np.stack([np.zeros(azimuth.shape), np.where(azimuth > 2, -sideways, sideways), forward], axis=-1))
    return to_unit(around * across[..., None] + along[..., None] * (1.0, 0.0, 0.0)).reshape(-1, 3)
