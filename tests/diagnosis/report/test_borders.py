"""Borders in numbers of a page: exact for lesions, nearly so for lungs."""

from collections.abc import Callable

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lung_ssp.ct.lesion import lesion_from_mask
from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.report.borders import Border, lesion_borders, lung_borders


def points(border: Border) -> np.ndarray:
    """The points (x, y) of a border in pixels."""
    return np.cumsum(np.reshape(border, (-1, 2)), axis=0) / 2


def filled(borders: list[Border], shape: tuple[int, int]) -> np.ndarray:
    """The mask whose borders these are, bool (rows, columns): drawn four times as large, its middles looked at."""
    large = np.zeros((4 * shape[0], 4 * shape[1]), np.uint8)
    lines = [np.rint(4 * points(border) + 1.5).astype(np.int32) for border in borders]
    cv2.fillPoly(large, lines, 1)
    return large[2::4, 2::4] > 0


def test_the_border_of_one_voxel() -> None:
    mask = np.zeros((3, 4, 5), bool)
    mask[1, 2, 3] = True
    borders = lesion_borders(lesion_from_mask(mask, Volume(np.zeros(mask.shape, np.int16), (1.0, 1.0, 1.0))))
    assert list(borders) == [1]
    (border,) = borders[1]
    assert {tuple(point) for point in points(border)} == {(3, 1.5), (3.5, 2), (3, 2.5), (2.5, 2)}


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_a_lesion_is_inside_of_its_borders(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((4, 12, 14), bool)
    mask[1:3, 2:9, 3:11] = cv2.blur(rng.random((14, 8)), (3, 3)).reshape(2, 7, 8) > 0.5
    if not mask.any():
        return
    lesion = lesion_from_mask(mask, Volume(np.zeros(mask.shape, np.int16), (1.0, 1.0, 1.0)))
    borders = lesion_borders(lesion)
    for z, plane in enumerate(mask):
        np.testing.assert_array_equal(filled(borders.get(z, []), plane.shape), plane)


def test_lungs_are_straightened_by_less_than_a_pixel(make_diagnosis: Callable[..., Diagnosis]) -> None:
    mask = make_diagnosis().lungs.mask.copy()
    rows, columns = np.mgrid[: mask.shape[1], : mask.shape[2]]
    mask[4] = (rows - 30) ** 2 + (columns - 40) ** 2 < 25**2
    borders = lung_borders(mask)
    assert [len(slices) for slices in borders] == [0, 0, 2, 2, 1, *[2] * 18, 0]
    (round_one,) = borders[4]
    assert len(points(round_one)) < 60  # of some 200
    assert np.count_nonzero(filled(borders[4], mask[4].shape) != mask[4]) < 0.03 * np.count_nonzero(mask[4])
    radii = np.linalg.norm(points(round_one) - (40, 30), axis=1)
    assert np.abs(radii - 25).max() < 1
