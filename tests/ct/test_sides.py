import numpy as np
import pytest

from lung_ssp.ct.sides import are_unequal, both_sides, middle_column


def lungs(*spans, width=100):
    mask = np.zeros((3, 8, width), bool)
    for first, last in spans:
        mask[:, :, first:last] = True
    return mask


def test_the_sides_meet_in_the_middle_of_the_body_where_no_lung_lies():
    assert middle_column(lungs((10, 45), (55, 90)), slice(0, 100)) == 50
    assert middle_column(lungs((10, 45), (55, 90)), slice(0, 94)) == 47


def test_a_lung_that_reaches_beyond_the_middle_stays_on_one_side():
    """The body's middle is column 50; the large lung reaches to 54."""
    mask = lungs((20, 30), (38, 54), (58, 90))
    mask[:, :4, 45:54] = False
    middle = middle_column(mask, slice(0, 100))
    assert 54 <= middle <= 58
    assert both_sides(lungs((60, 90)), middle_column(lungs((60, 90)), slice(0, 100))) == (0, 24 * 30)


@pytest.mark.parametrize("body", [slice(0, 0), slice(98, 100), slice(0, 100)])
def test_without_lungs_or_body_there_is_a_middle_as_well(body):
    assert 0 <= middle_column(lungs(), body) <= 100


def test_both_sides_are_counted():
    assert both_sides(lungs((10, 45), (55, 90)), 50) == (24 * 35, 24 * 35)
    assert both_sides(lungs((10, 45)), 0) == (0, 24 * 35)


@pytest.mark.parametrize(("one", "other", "unequal"), [(45, 55, 0), (50, 100, 0), (49, 100, 1), (9, 0, 1)])
def test_half_of_the_other_is_the_limit(one, other, unequal):
    assert are_unequal(one, other) == are_unequal(other, one) == unequal
