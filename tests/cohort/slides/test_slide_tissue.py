"""Tissue on a slide: found where it is, and nothing else taken for it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.cohort.slides import tiles
from lung_ssp.cohort.slides.reading import open_slide
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.cohort.slides.tiles import Tissue, find_tissue, large_parts, overview, tissue_mask

GLASS, STAINED = (244, 243, 245), (150, 70, 160)


def test_stained_tissue_is_found_and_black_ink_is_not(slide_folder: Path) -> None:
    with open_slide(slide_folder) as slide:
        found = find_tissue(slide, SlideSettings(tissue_mpp=4.0))
    assert found.mpp == 4.0 and found.mask.shape == (100, 150)
    rows, columns = np.nonzero(found.mask)
    assert (rows.min(), rows.max() + 1) == pytest.approx((96 / 4, 288 / 4), abs=1)
    assert (columns.min(), columns.max() + 1) == pytest.approx((64 / 4, 320 / 4), abs=1)
    assert found.mask.sum() == pytest.approx((192 / 4) * (256 / 4), rel=0.03)


def test_a_slide_with_nothing_on_it_has_no_tissue(make_slide: Callable[..., Path]) -> None:
    noise = np.random.default_rng(0).normal(0, 2, (300, 300, 3))
    with open_slide(make_slide(np.clip(np.array(GLASS) + noise, 0, 255).astype(np.uint8))) as slide:
        assert not find_tissue(slide, SlideSettings()).mask.any()


def test_small_holes_are_filled_and_small_parts_dropped() -> None:
    picture = np.full((100, 100, 3), GLASS, np.uint8)
    picture[20:80, 20:80] = STAINED
    picture[30:36, 30:36] = GLASS  # 36 pixels of 100 um2: 0.0036 mm2
    picture[50:70, 50:70] = GLASS  # 0.04 mm2
    picture[5:10, 5:10] = STAINED  # 0.0025 mm2
    expected = np.zeros((100, 100), bool)
    expected[20:80, 20:80] = True
    expected[50:70, 50:70] = False
    found = tissue_mask(picture, mpp=10.0, smallest_part_mm2=0.01)
    assert found[31:35, 31:35].all() and not found[:15, :15].any()
    assert (found != expected).sum() <= 8  # corners, by the median


def test_parts_are_kept_from_the_given_size_on() -> None:
    mask = np.zeros((6, 8), bool)
    mask[1, 1:4] = True  # three pixels
    mask[4, 1:3] = True  # two
    assert large_parts(mask, 3).sum() == 3
    assert large_parts(mask, 2).sum() == 5
    assert large_parts(mask, 0).sum() == 5
    assert not large_parts(np.zeros((3, 3), bool), 0).any()


def test_the_overview_of_a_large_slide_is_that_of_its_blocks(
    slide_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_slide(slide_folder) as slide:
        whole, mpp = overview(slide, 3.0)
        monkeypatch.setattr(tiles, "BLOCK", 100)
        in_blocks, _ = overview(slide, 3.0)
    assert mpp == 3.0 and whole.shape == (134, 200, 3)
    assert np.array_equal(whole, in_blocks)


def test_shares_are_counted_by_hand() -> None:
    mask = np.zeros((10, 20), bool)
    mask[2:6, 4:8] = True
    corners = np.array([[40.0, 20.0], [60.0, 20.0], [20.0, 0.0], [180.0, 80.0]])  # (x, y) in micrometres
    share = Tissue(mask, mpp=10.0).share(corners[:, 0], corners[:, 1], 40.0)
    assert share.tolist() == [1.0, 0.5, 0.25, 0.0]
