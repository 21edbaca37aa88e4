import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from lung_ssp.ct.morphology import AROUND, LINES, between, closing, erosion, fill_holes, opening, rows_and_columns

masks = arrays.arrays(bool, st.tuples(st.integers(1, 3), st.integers(3, 20), st.integers(3, 20)))


def square_disk(radius):
    return disk(radius, 2 * radius + 1)[0]


def disk(radius, size=41):
    y, x = np.indices((size, size)) - size // 2
    return (y**2 + x**2 <= radius**2)[None]


def test_erosion_by_hand():
    square = np.zeros((2, 11, 11), bool)
    square[1, 2:9, 2:9] = True
    expected = np.zeros_like(square)
    expected[1, 4:7, 4:7] = True
    np.testing.assert_array_equal(erosion(square, 2), expected)
    np.testing.assert_array_equal(erosion(square, 0), square)


def test_closing_fills_what_a_disk_cannot_enter():
    """A notch 8 pixels wide closes under a disk of radius 5, one of 16 does not; nothing else changes."""
    wall = np.zeros((1, 60, 80), bool)
    wall[0, :30] = True
    narrow, wide = wall.copy(), wall.copy()
    narrow[0, 20:30, 36:44] = False
    wide[0, 20:30, 32:48] = False
    np.testing.assert_array_equal(closing(narrow, 5)[0, :26], wall[0, :26])
    assert not closing(wide, 5)[0, 22, 40]
    np.testing.assert_array_equal(closing(wall, 5), wall)


@given(masks)
def test_holes_are_those_of_scipy(mask):
    expected = np.stack([ndimage.binary_fill_holes(plane) for plane in mask])
    np.testing.assert_array_equal(fill_holes(mask, np.inf), expected)


@given(masks, st.integers(0, 4))
def test_each_slice_is_changed_as_by_scipy(mask, radius):
    """Beyond the border nothing counts: what lies there neither erodes nor grows."""
    around = square_disk(radius)

    def eroded(plane):
        return ndimage.binary_erosion(plane, around, border_value=1)

    def dilated(plane):
        return ndimage.binary_dilation(plane, around)

    np.testing.assert_array_equal(erosion(mask, radius), [eroded(plane) for plane in mask])
    np.testing.assert_array_equal(closing(mask, radius), [eroded(dilated(plane)) for plane in mask])
    np.testing.assert_array_equal(opening(mask, radius), [dilated(eroded(plane)) for plane in mask])


def test_rows_and_columns_of_a_mask():
    mask = np.zeros((3, 10, 20), bool)
    assert rows_and_columns(mask) == (slice(0, 0), slice(0, 0))
    mask[0, 4, 6] = mask[2, 5, 18] = True
    assert rows_and_columns(mask) == (slice(4, 6), slice(6, 19))
    assert rows_and_columns(mask, 3) == (slice(1, 9), slice(3, 20))


def test_only_small_holes_are_filled():
    ring = disk(15) & ~disk(6)
    hole = int(disk(6).sum())
    np.testing.assert_array_equal(fill_holes(ring, hole), disk(15))
    np.testing.assert_array_equal(fill_holes(ring, hole - 1), ring)


def test_lines_run_upwards():
    assert len(set(LINES)) == 9
    assert all(line[0] == 1 for line in LINES)


def gap(z, shape=(21, 15, 15)):
    """A mask everywhere but in the slices `z`."""
    mask = np.ones(shape, bool)
    mask[z] = False
    return mask


def test_a_gap_between_slices_is_bridged_up_to_the_reach():
    """A gap of 5 slices of 2 mm: from its middle the mask is 6 mm away above and below, from its edge 2 and 10 mm."""
    mask = gap(slice(8, 13))
    assert between(mask, (2.0, 1.0, 1.0), 10.0).all(axis=(1, 2))[8:13].tolist() == [True] * 5
    assert between(mask, (2.0, 1.0, 1.0), 9.9).all(axis=(1, 2))[8:13].tolist() == [False, True, True, True, False]
    assert not between(mask, (2.0, 1.0, 1.0), 5.9)[8:13].any()


def test_what_lies_beside_the_mask_is_not_between():
    mask = np.zeros((21, 15, 30), bool)
    mask[:, :, :10] = mask[:, :, 20:] = True
    assert not between(mask, (2.0, 1.0, 1.0), 10.0)[:, 7, 15].any()


def test_slanting_lines_reach_less_far():
    """At 45 degrees a reach of 10 mm is one of 7.07 mm, 5 mm up and 5 mm aside."""
    mask = np.zeros((21, 21, 21), bool)
    mask[15, 10, 15] = mask[5, 10, 5] = True
    assert between(mask, (1.0, 1.0, 1.0), 10.0)[10, 10, 10]
    assert not between(mask, (1.0, 1.0, 1.0), 9.9)[10, 10, 10]


def test_at_its_ends_the_mask_is_taken_to_go_on_as_it_is_there():
    """A bay three slices deep and 5 pixels wide has the mask around it; half a plane has it on one side alone."""
    bay = np.ones((12, 21, 21), bool)
    bay[:3, 8:13, 8:13] = False
    np.testing.assert_array_equal(between(bay, (1.0, 1.0, 1.0), 20.0)[:, 1:-1, 1:-1][:3, 7:12, 7:12], True)
    turned = between(bay[::-1], (1.0, 1.0, 1.0), 20.0)
    np.testing.assert_array_equal(turned, between(bay, (1.0, 1.0, 1.0), 20.0)[::-1])
    assert not between(gap(slice(0, 3)), (1.0, 1.0, 1.0), 20.0)[:3].any()  # open below
    assert not between(gap(slice(0, 21)), (2.0, 1.0, 1.0), 100.0).any()


@given(st.integers(1, 3), st.sampled_from([(1.0, 1.0, 1.0), (5.0, 2.4, 2.4), (1.25, 3.0, 3.0)]))
def test_a_mask_that_narrows_towards_an_end_gains_nothing(steepness, spacing):
    """A wedge whose edge recedes by up to three pixels a slice: mirrored, all beside its first slices was between."""
    z, _, x = np.indices((16, 12, 80))
    wedge = x < 20 + steepness * z
    assert not (between(wedge, spacing, 28.0) & ~wedge).any()
    assert not (between(wedge[::-1], spacing, 28.0) & ~wedge[::-1]).any()


def walks(mask, start, steps_of, lines):
    """Along which lines the mask is met both ways from `start`."""
    met = []
    for line in lines:
        ends = []
        for side in (1, -1):
            walk = [np.add(start, np.multiply(line, side * step)) for step in range(1, steps_of(line) + 1)]
            inside = [at for at in walk if np.all(at >= 0) and np.all(at < mask.shape)]
            ends.append(any(mask[tuple(at)] for at in inside))
        met.append(all(ends))
    return met


@given(arrays.arrays(bool, (5, 6, 7)), st.floats(0.5, 9))
def test_between_is_a_walk_along_each_line(mask, reach):
    """Within the scan on any line; beyond an end, where the last slice goes on, on two lines that slant apart."""
    spacing = np.array((2.0, 1.0, 1.5))

    def steps_of(line):
        length = np.linalg.norm(line * spacing)
        return int(reach * spacing[0] / length / length)

    bridged = between(mask, tuple(spacing), reach)
    below, above = (
        np.pad(mask, ((9, 0), (0, 0), (0, 0)), mode="edge"),
        np.pad(mask, ((0, 9), (0, 0), (0, 0)), mode="edge"),
    )
    for z, y, x in [(0, 0, 0), (0, 2, 4), (2, 3, 3), (4, 5, 1), (4, 2, 2)]:
        expected = any(walks(mask, (z, y, x), steps_of, LINES))
        for continued, index in ((below, z + 9), (above, z)):
            met = walks(continued, (index, y, x), steps_of, AROUND)
            angles = [45 * place for place, along in enumerate(met) if along]
            expected |= any(135 <= abs(one - other) <= 225 for one in angles for other in angles)
        assert bridged[z, y, x] == expected
