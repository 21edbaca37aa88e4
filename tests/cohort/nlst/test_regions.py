"""Lesions as small arrays with their place."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lung_ssp.cohort.nlst.series_samples import Region, midline, place_of, regions_of_labels
from lung_ssp.ct.lesion import measure_lesion
from lung_ssp.ct.series import Series, SliceReference
from lung_ssp.ct.volume import Volume

SPACING = (2.0, 1.0, 1.0)


def series_of(hu: np.ndarray, origin=(-20.0, 0.0, 0.0)) -> Series:
    slices = tuple(SliceReference(None, "", len(hu) - z) for z in range(len(hu)))
    return Series(Volume(hu.astype(np.int16), SPACING, origin), slices, ())


def two_lesions() -> np.ndarray:
    labels = np.zeros((6, 20, 41), np.uint8)
    labels[1:3, 2:5, 3:6] = 1
    labels[2, 2:6, 3:7] = 1
    labels[4, 10:12, 30:34] = 3
    return labels


def test_each_label_is_a_region_of_its_source():
    labels = two_lesions()
    first, second = regions_of_labels(labels, series_of(np.zeros(labels.shape)).volume, "mask:here")
    assert np.array_equal(first.lesion.mask(labels.shape), labels == 1)
    assert np.array_equal(second.lesion.mask(labels.shape), labels == 3)
    assert (second.source, second.score, second.lobe) == ("mask:here", 1.0, None)


def test_a_place_tells_slice_and_side_as_the_tables_do():
    labels = two_lesions()
    series = series_of(np.zeros(labels.shape))
    first, second = (place_of(region, series, 0.0, None) for region in regions_of_labels(labels, series.volume, "x"))
    assert (first.slice_number, first.side, first.lobe) == (4, "right", None)  # 6 slices, numbered from the head
    assert (second.slice_number, second.side) == (2, "left")


def test_the_midline_runs_between_lungs_of_unequal_size():
    lungs = np.zeros((4, 20, 41), bool)
    lungs[:, 2:18, 2:19] = True
    lungs[:, 5:10, 23:36] = True  # the left one is smaller: the mean of all voxels would lie in the right one
    volume = series_of(np.zeros(lungs.shape)).volume
    assert 19 - 20 <= midline(lungs, volume) < 23 - 20


@given(st.integers(0, 8), st.integers(0, 8))
def test_what_lies_in_a_lung_is_on_its_side(left_width, right_width):
    lungs = np.zeros((2, 4, 60), bool)
    lungs[:, :, 5 : 20 + right_width] = True
    lungs[:, :, 40 - left_width : 55] = True
    series = series_of(np.zeros(lungs.shape))
    middle = midline(lungs, series.volume)
    for x, side in ((6, "right"), (19, "right"), (40, "left"), (54, "left")):
        box = slice(0, 1), slice(0, 1), slice(x, x + 1)
        region = Region(measure_lesion(box, np.ones((1, 1, 1), bool), series.volume), "x")
        assert place_of(region, series, middle, None).side == side
