"""Tiles: of tissue, at their resolution, the same for the same random numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from lung_ssp.cohort.slides.reading import open_slide
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.cohort.slides.tiles import cut_tile, cut_tiles
from lung_ssp.errors import SlideError

STAINED = (150, 70, 160)


def settings(**changes: object) -> SlideSettings:
    return SlideSettings.model_validate({"size": 8, "mpp": 2.0, "tissue_mpp": 4.0, "tiles_per_slide": 500, **changes})


def test_tiles_are_of_tissue_alone(slide_folder: Path) -> None:
    with open_slide(slide_folder) as slide:
        tiles = cut_tiles(slide, settings(min_tissue=1.0), np.random.default_rng(0))
    # Tissue of 256 x 192 um holds at most 16 x 12 tiles of 16 um, and a row or column is lost to the grid's offset.
    assert 15 * 11 - 20 <= len(tiles) <= 16 * 12
    assert tiles.shape[1:] == (8, 8, 3) and tiles.dtype == np.uint8
    assert np.abs(tiles.mean(axis=(1, 2)) - STAINED).max() < 25


def test_no_more_tiles_than_asked_for_and_none_twice(slide_folder: Path) -> None:
    with open_slide(slide_folder) as slide:
        every = cut_tiles(slide, settings(), np.random.default_rng(1))
        some = cut_tiles(slide, settings(tiles_per_slide=9), np.random.default_rng(1))
        again = cut_tiles(slide, settings(tiles_per_slide=9), np.random.default_rng(1))
        other = cut_tiles(slide, settings(tiles_per_slide=9), np.random.default_rng(2))
    assert len(some) == 9 < len(every)
    assert np.array_equal(some, again)
    assert not np.array_equal(some, other)


def test_a_slide_without_tissue_gives_none(make_slide: Callable[..., Path]) -> None:
    with open_slide(make_slide(np.full((300, 300, 3), 244, np.uint8))) as slide:
        assert cut_tiles(slide, settings(), np.random.default_rng(0)).shape == (0, 8, 8, 3)


def test_a_tile_is_as_large_as_its_resolution_says(slide_folder: Path) -> None:
    """The left edge of the tissue, at x = 64 um, in the middle of a tile of 8 pixels of 4 um: pixel 4."""
    with open_slide(slide_folder) as slide:
        tile = cut_tile(slide, (48.0, 150.0), settings(mpp=4.0))
    greens = tile[:, :, 1].mean(axis=0)
    assert (greens[:3] > 220).all() and (greens[5:] < 100).all()


def test_a_slide_that_is_too_coarse_is_refused(make_slide: Callable[..., Path], picture: np.ndarray) -> None:
    with (
        open_slide(make_slide(picture, mpp=3.0)) as slide,
        pytest.raises(SlideError, match=r"raise the settings mpp"),
    ):
        cut_tiles(slide, settings(), np.random.default_rng(0))


def test_tissue_is_not_sought_more_coarsely_than_a_tile() -> None:
    with pytest.raises(ValidationError, match="coarser than a whole tile"):
        settings(tissue_mpp=17.0)
