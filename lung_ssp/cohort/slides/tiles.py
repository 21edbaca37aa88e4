"""Where a slide holds tissue, and the tiles that are cut there."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from lung_ssp.cohort.slides.reading import Slide
from lung_ssp.cohort.slides.settings import SlideSettings

BLOCK = 2048  # pixels along each side that are read at once: a whole level may exceed the memory
FAINTEST = 12  # saturation, 0..255: what is paler is glass, also on a slide that holds nothing else


@dataclass(frozen=True)
class Tissue:
    """mask: bool (rows, columns), where there is tissue. mpp: micrometres a pixel of it."""

    mask: np.ndarray
    mpp: float

    def share(self, left: np.ndarray, top: np.ndarray, side: float) -> np.ndarray:
        """Share of tissue in squares.

        Args:
            left, top: (n,) the upper left corners in micrometres from the slide's corner.
            side: in micrometres.

        Returns:
            (n,) 0..1; what reaches beyond the slide holds none.
        """
        sums = np.pad(np.cumsum(np.cumsum(self.mask, axis=0), axis=1), ((1, 0), (1, 0)))
        rows = [np.clip(np.round(edge / self.mpp).astype(int), 0, self.mask.shape[0]) for edge in (top, top + side)]
        columns = [
            np.clip(np.round(edge / self.mpp).astype(int), 0, self.mask.shape[1]) for edge in (left, left + side)
        ]
        inside = sums[rows[1], columns[1]] - sums[rows[0], columns[1]] - sums[rows[1], columns[0]]
        return np.clip((inside + sums[rows[0], columns[0]]) / (side / self.mpp) ** 2, 0, 1)


def find_tissue(slide: Slide, settings: SlideSettings) -> Tissue:
    """The tissue of a slide on a coarse picture of it.

    Raises:
        SlideError: the slide cannot be read, or is too coarse.
    """
    picture, mpp = overview(slide, settings.tissue_mpp)
    return Tissue(tissue_mask(picture, mpp, settings.smallest_part_mm2), mpp)


def overview(slide: Slide, mpp: float) -> tuple[np.ndarray, float]:
    """The whole slide, uint8 (rows, columns, 3), at `mpp` micrometres a pixel or somewhat fewer, and how many."""
    index = slide.level_for(mpp)
    level = slide.levels[index]
    step = max(1, int(mpp * 1.001 / level.mpp))
    block = BLOCK // step * step if step <= BLOCK else step
    bands = []
    for y in range(0, level.size[1], block):
        parts = []
        for x in range(0, level.size[0], block):
            size = [-(-min(block, side - start) // step) * step for side, start in zip(level.size, (x, y), strict=True)]
            pixels = slide.read(index, (x, y), (size[0], size[1]))
            smaller = (size[0] // step, size[1] // step)
            parts.append(cv2.resize(pixels, smaller, interpolation=cv2.INTER_AREA).reshape(smaller[1], smaller[0], 3))
        bands.append(np.concatenate(parts, axis=1))
    return np.concatenate(bands, axis=0), level.mpp * step


def tissue_mask(picture: np.ndarray, mpp: float, smallest_part_mm2: float) -> np.ndarray:
    """Tissue by Otsu's threshold on the saturation, without small holes and small parts.

    Saturation, not brightness: stained tissue is coloured, while shadows, dust and black ink are as dark but grey.

    Args:
        picture: uint8 (rows, columns, 3), red, green, blue.
        mpp: micrometres a pixel.

    Returns:
        bool (rows, columns).
    """
    saturation = cv2.medianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)[:, :, 1], 3)
    threshold, _ = cv2.threshold(saturation, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    coloured = saturation > max(threshold, FAINTEST)
    fewest = smallest_part_mm2 * 1e6 / mpp**2
    return large_parts(~large_parts(~coloured, fewest), fewest)


def large_parts(mask: np.ndarray, fewest: float) -> np.ndarray:
    """Those connected parts of a mask that hold at least `fewest` pixels."""
    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return ((sizes >= fewest) & (sizes > 0))[parts]


def cut_tiles(slide: Slide, settings: SlideSettings, rng: np.random.Generator) -> np.ndarray:
    """Tiles with enough tissue, side by side on a grid; where there are too many, a random choice of them.

    Args:
        rng: draws the grid's offset and the tiles.

    Returns:
        uint8 (n, size, size, 3), red, green, blue, in the order of the grid; none where there is too little tissue.

    Raises:
        SlideError: the slide cannot be read, or is coarser than the tiles.
    """
    tissue = find_tissue(slide, settings)
    side = settings.size * settings.mpp
    width, height = (length * slide.levels[0].mpp for length in slide.levels[0].size)
    offset = rng.uniform(0, side, 2)
    corners = np.stack(
        np.meshgrid(np.arange(offset[0], width - side, side), np.arange(offset[1], height - side, side)), axis=-1
    ).reshape(-1, 2)
    corners = corners[tissue.share(corners[:, 0], corners[:, 1], side) >= settings.min_tissue]
    if len(corners) > settings.tiles_per_slide:
        corners = corners[np.sort(rng.choice(len(corners), settings.tiles_per_slide, replace=False))]
    tiles = [cut_tile(slide, (float(x), float(y)), settings) for x, y in corners]
    return np.stack(tiles) if tiles else np.zeros((0, settings.size, settings.size, 3), np.uint8)


def cut_tile(slide: Slide, corner_um: tuple[float, float], settings: SlideSettings) -> np.ndarray:
    """One tile, uint8 (size, size, 3); (x, y) of its upper left corner in micrometres from the slide's corner."""
    index = slide.level_for(settings.mpp)
    mpp = slide.levels[index].mpp
    pixels = round(settings.size * settings.mpp / mpp)
    x, y = (round(value / mpp) for value in corner_um)
    part = slide.read(index, (x, y), (pixels, pixels))
    return cv2.resize(part, (settings.size, settings.size), interpolation=cv2.INTER_AREA)
