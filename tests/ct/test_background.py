import numpy as np
import pytest

from lung_ssp.ct.background import body_box, outside_field_of_view, remove_background

THRESHOLD = -480
SPACING = (4.0, 4.0, 4.0)


def lungs_of(hu):
    low_attenuation = hu < THRESHOLD
    return remove_background(low_attenuation, hu, SPACING, body_box(low_attenuation, SPACING))


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def test_only_lungs_and_airways_stay(chest):
    hu = chest.volume.hu
    kept = lungs_of(hu)
    lungs = chest.lungs & ~chest.lesion
    assert kept[lungs].mean() > 0.99
    assert not kept[chest.gas].any()
    assert not kept[chest.table].any()
    assert not kept[~(chest.lungs | chest.trachea)].any()


def test_a_narrow_field_that_cuts_the_lungs_keeps_them(chest):
    """Clearing all that touches the border would lose both lungs."""
    hu = chest.volume.hu[:, 22:60, 20:80]
    lungs = (chest.lungs & ~chest.lesion)[:, 22:60, 20:80]
    assert lungs[:, 0].any()
    assert lungs[:, :, 0].any()
    assert dice(lungs_of(hu), lungs) > 0.98


def test_padding_that_touches_a_lung_does_not_swallow_it(chest):
    """A round field of view that cuts the lungs: they border on padding, and that on air outside the body."""
    hu = chest.volume.hu.copy()
    y, x = np.indices(hu[0].shape)
    outside = (y - 37) ** 2 + (x - 47) ** 2 > 30**2
    hu[:, outside] = -1000
    lungs = chest.lungs & ~chest.lesion & ~outside
    touching = np.pad(outside, 1)[2:, 1:-1] & lungs.any(axis=0)
    assert touching.any()
    np.testing.assert_array_equal(outside_field_of_view(hu)[0], outside)
    assert dice(lungs_of(hu), lungs) > 0.98


def test_body_box_leaves_the_table_out(chest):
    rows, columns = body_box(chest.volume.hu < THRESHOLD, SPACING)
    assert rows.start * 4 == pytest.approx(150 - 115, abs=9)
    assert rows.stop * 4 == pytest.approx(150 + 115, abs=9)
    assert columns.start * 4 == pytest.approx(190 - 165, abs=9)
    assert columns.stop * 4 == pytest.approx(190 + 165, abs=9)


def test_nothing_dark_gives_nothing(chest):
    empty = np.zeros(chest.volume.shape, bool)
    assert not remove_background(empty, chest.volume.hu, SPACING, body_box(empty, SPACING)).any()
