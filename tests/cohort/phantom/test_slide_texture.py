"""The drawn slide: glass, tissue and nuclei as asked for."""

from dataclasses import replace

import numpy as np
import pytest

from lung_ssp.cohort.phantom.slide_looks import ARRANGEMENTS, SlideAttributes
from lung_ssp.cohort.phantom.slide_texture import draw_slide
from lung_ssp.cohort.slides.tiles import tissue_mask

SHEET = SlideAttributes("sheet", nuclei_mm2=4000.0, nucleus_um=8.0, variation=0.1, elongation=0.1)


def draw(attributes: SlideAttributes, seed: int = 0) -> np.ndarray:
    return draw_slide(attributes, 384, 1.0, np.random.default_rng(seed))


def share_of_nuclei(attributes: SlideAttributes) -> float:
    """Of the tissue, what is dark in red: haematoxylin."""
    shares = []
    for seed in range(3):
        picture = draw(attributes, seed)
        tissue = tissue_mask(picture, 1.0, 0.001)
        shares.append((picture[tissue][:, 0] < 135).mean())
    return float(np.mean(shares))


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_tissue_lies_on_white_glass(arrangement: str) -> None:
    picture = draw(replace(SHEET, arrangement=arrangement))
    assert picture.shape == (384, 384, 3) and picture.dtype == np.uint8
    tissue = tissue_mask(picture, 1.0, 0.001)
    assert 0.1 < tissue.mean() < 0.9
    glass = picture[~tissue]
    assert np.median(glass, axis=0).min() > 225
    assert np.median(picture[tissue], axis=0)[1] < 215  # pink to violet: green is what the stain takes


def test_the_same_random_numbers_draw_the_same_slide() -> None:
    assert np.array_equal(draw(SHEET), draw(SHEET))
    assert not np.array_equal(draw(SHEET), draw(SHEET, seed=1))


def test_more_and_larger_nuclei_cover_more() -> None:
    usual = share_of_nuclei(SHEET)
    assert share_of_nuclei(replace(SHEET, nuclei_mm2=8000.0)) > 1.5 * usual
    assert share_of_nuclei(replace(SHEET, nucleus_um=11.0)) > 1.4 * usual
