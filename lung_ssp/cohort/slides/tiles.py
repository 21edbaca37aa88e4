"""Tiles of tissue, cut from a slide."""

import cv2
import numpy as np

from lung_ssp.cohort.slides.reading import Slide
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.cohort.slides.tissue import find_tissue


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
