"""A stained section of a tumour, drawn: fragments of tissue on white glass, stroma, cells in their arrangement."""

from dataclasses import dataclass

import cv2
import numpy as np

from lung_ssp.cohort.phantom.randomness import between
from lung_ssp.cohort.phantom.slide_looks import SlideAttributes

GLASS = np.array([243.0, 242.0, 244.0])  # red, green, blue
STROMA = np.array([232.0, 184.0, 206.0])  # connective tissue in eosin
CYTOPLASM = np.array([218.0, 160.0, 196.0])
KERATIN = np.array([236.0, 120.0, 152.0])
NUCLEUS = np.array([92.0, 62.0, 138.0])  # haematoxylin

STROMAL_NUCLEI_MM2 = 900.0
STROMAL_NUCLEUS_UM = 6.0
SUBPIXEL_BITS = 4  # cv2 takes coordinates as fixed-point numbers

# Of the structures of each arrangement: radius in micrometres, and their distance in radii.
STRUCTURES = {
    "glands": ((24.0, 44.0), 2.5),
    "whorls": ((18.0, 40.0), 4.0),
    "alveolar walls": ((34.0, 60.0), 2.1),
    "nests": ((34.0, 58.0), 2.3),
}


@dataclass(frozen=True)
class Nuclei:
    """Where nuclei of one kind lie.

    centres: (n, 2), (x, y) in pixels. directions: (n,), of their long axes, in degrees.
    """

    centres: np.ndarray
    directions: np.ndarray

    def within(self, mask: np.ndarray) -> "Nuclei":
        """Those whose centres the mask holds."""
        x, y = np.round(self.centres).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
        inside[inside] = mask[y[inside], x[inside]]
        return Nuclei(self.centres[inside], self.directions[inside])


NO_NUCLEI = Nuclei(np.zeros((0, 2)), np.zeros(0))


@dataclass(frozen=True)
class Structures:
    """What a tumour's arrangement makes: cells, lumens and keratin, each bool (size, size), and nuclei along rims."""

    cells: np.ndarray
    lumens: np.ndarray
    keratin: np.ndarray
    rims: Nuclei


def draw_slide(attributes: SlideAttributes, size: int, mpp: float, rng: np.random.Generator) -> np.ndarray:
    """Draw one slide.

    Args:
        size: pixels along each side.
        mpp: micrometres a pixel.

    Returns:
        uint8 (size, size, 3), red, green, blue.
    """
    tissue = _fragments(size, rng)
    tumour = tissue & (_smooth_noise(size, size / 5, rng) > -0.7)
    picture = np.broadcast_to(GLASS, (size, size, 3)).copy()
    fibres = _smooth_noise(size, 6 / mpp, rng) * 6 + _smooth_noise(size, 40 / mpp, rng) * 8
    picture[tissue] = STROMA + fibres[tissue][:, None] * (0.6, 1.4, 1.0)

    made = _structures(attributes, tumour, mpp, rng)
    picture[made.cells] = CYTOPLASM + fibres[made.cells][:, None] * (0.6, 1.2, 0.8)
    picture[made.lumens] = GLASS
    picture[made.keratin] = KERATIN + _smooth_noise(size, 5 / mpp, rng)[made.keratin][:, None] * 9

    solid = tissue & ~made.lumens
    stromal = _scattered(STROMAL_NUCLEI_MM2, size, mpp, rng).within(solid & ~made.cells)
    _draw_nuclei(picture, stromal, STROMAL_NUCLEUS_UM / mpp, 0.2, 0.7, rng)
    inside = _scattered(attributes.nuclei_mm2, size, mpp, rng).within(made.cells & ~made.lumens & ~made.keratin)
    for nuclei in (inside, made.rims.within(solid)):
        _draw_nuclei(picture, nuclei, attributes.nucleus_um / mpp, attributes.variation, attributes.elongation, rng)
    return _stained_and_scanned(picture, rng)


def _fragments(size: int, rng: np.random.Generator) -> np.ndarray:
    """One to three fragments of tissue, bool (size, size)."""
    rows, columns = np.mgrid[:size, :size] / size
    inside = np.full((size, size), -np.inf)
    for _ in range(int(rng.integers(1, 4))):
        row, column = rng.uniform(0.28, 0.72, 2)
        height, width = rng.uniform(0.26, 0.42, 2)
        inside = np.maximum(inside, 1 - np.hypot((rows - row) / height, (columns - column) / width))
    return inside + 0.16 * _smooth_noise(size, size / 7, rng) + 0.04 * _smooth_noise(size, size / 40, rng) > 0


def _smooth_noise(size: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Noise (size, size) with unit variance at its nodes, `scale` pixels apart."""
    nodes = max(2, int(np.ceil(size / max(scale, 1.0)))) + 2
    coarse = rng.normal(size=(nodes, nodes))  # float64: for float32, OpenCV's results depend on the processor
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def _structures(attributes: SlideAttributes, tumour: np.ndarray, mpp: float, rng: np.random.Generator) -> Structures:
    """Lay out the tumour's arrangement."""
    size, nothing = len(tumour), np.zeros_like(tumour)
    if attributes.arrangement == "sheet":
        return Structures(tumour, nothing, nothing, NO_NUCLEI)
    radii_um, distance = STRUCTURES[attributes.arrangement]
    centres = _jittered_grid(size, distance * sum(radii_um) / 2 / mpp, rng)
    radii = rng.uniform(*radii_um, len(centres)) / mpp
    nucleus = attributes.nucleus_um / mpp
    match attributes.arrangement:
        case "glands":
            walls = _disks(size, centres, radii, rng) & tumour
            between_glands = tumour & (_smooth_noise(size, 60 / mpp, rng) > 0.4)
            lumens = _disks(size, centres, radii - 1.4 * nucleus, rng) & tumour
            rims = _rims(centres, radii - 0.6 * nucleus, 1.35 * nucleus)
            return Structures(walls | between_glands, lumens, nothing, rims)
        case "whorls":
            keratin = _disks(size, centres, 0.8 * radii, rng) & tumour
            return Structures(tumour, nothing, keratin, _rims(centres, 0.95 * radii, 1.8 * nucleus))
        case "alveolar walls":
            lumens = _disks(size, centres, radii, rng) & tumour
            return Structures(nothing, lumens, nothing, _rims(centres, radii + 0.6 * nucleus, 1.5 * nucleus))
        case _:
            return Structures(_disks(size, centres, radii, rng) & tumour, nothing, nothing, NO_NUCLEI)


def _jittered_grid(size: int, step: float, rng: np.random.Generator) -> np.ndarray:
    """Points (n, 2) about `step` pixels apart all over the picture, as (x, y)."""
    steps = np.arange(step / 2, size, step)
    points = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    return points + rng.uniform(-0.4, 0.4, points.shape) * step


def _disks(size: int, centres: np.ndarray, radii: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Slightly oblong disks, bool (size, size)."""
    mask = np.zeros((size, size), np.uint8)
    for centre, radius, squeeze, angle in zip(
        centres, radii, rng.uniform(0.8, 1.0, len(radii)), rng.uniform(0, 180, len(radii)), strict=True
    ):
        if radius > 0:
            _ellipse(mask, centre, (radius, radius * squeeze), angle, 1)
    return mask.astype(bool)


def _rims(centres: np.ndarray, radii: np.ndarray, step: float) -> Nuclei:
    """Nuclei `step` pixels apart on circles, each lying along its circle."""
    points, directions = [], []
    for centre, radius in zip(centres, radii, strict=True):
        angles = np.linspace(0, 2 * np.pi, max(3, int(2 * np.pi * max(radius, 0) / step)), endpoint=False)
        points.append(centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1))
        directions.append(np.degrees(angles) + 90)
    return Nuclei(np.concatenate(points), np.concatenate(directions))


def _scattered(density_mm2: float, size: int, mpp: float, rng: np.random.Generator) -> Nuclei:
    """Nuclei of this density all over the picture, kept apart from each other by a grid."""
    centres = _jittered_grid(size, 1000 / np.sqrt(density_mm2) / mpp, rng)
    return Nuclei(centres, rng.uniform(0, 180, len(centres)))


def _draw_nuclei(
    picture: np.ndarray, nuclei: Nuclei, diameter: float, variation: float, elongation: float, rng: np.random.Generator
) -> None:
    """Draw nuclei of a mean diameter in pixels into the picture."""
    count = len(nuclei.centres)
    diameters = diameter * np.exp(variation * rng.normal(size=count))
    ratios = 1 + 1.8 * elongation * rng.uniform(0.6, 1.2, count)
    colours = np.clip(NUCLEUS + rng.normal(0, 14, (count, 1)), 20, 200)
    for k in range(count):
        half_axes = diameters[k] / 2 * np.sqrt(ratios[k]), diameters[k] / 2 / np.sqrt(ratios[k])
        _ellipse(picture, nuclei.centres[k], half_axes, nuclei.directions[k], tuple(colours[k]))


def _ellipse(
    canvas: np.ndarray,
    centre: np.ndarray,
    half_axes: tuple[float, float],
    angle: float,
    value: float | tuple[float, ...],
) -> None:
    """A filled ellipse with sub-pixel position and axes."""
    scale = 1 << SUBPIXEL_BITS
    x, y = (round(float(value) * scale) for value in centre)
    long, short = (max(1, round(float(axis) * scale)) for axis in half_axes)
    cv2.ellipse(canvas, (x, y), (long, short), float(angle), 0, 360, value, -1, cv2.LINE_8, SUBPIXEL_BITS)


def _stained_and_scanned(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with its laboratory's stain, the scanner's blur and noise, as uint8."""
    strength = between((0.8, 1.2), rng)  # how deeply everything is stained: absorbance is multiplied
    tint = rng.uniform(0.92, 1.08, 3)
    absorbance = -np.log(np.clip(picture, 1, 254) / 255.0) * strength * tint
    light = cv2.GaussianBlur(255 * np.exp(-absorbance), (0, 0), 0.7)
    return np.clip(light + rng.normal(0, 2.0, picture.shape), 0, 255).astype(np.uint8)
