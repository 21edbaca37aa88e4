"""Lesions in their boxes: measured, moved, cut into sections."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lung_ssp.ct.lesion import (
    equivalent_diameter,
    lesion_from_mask,
    lesions_of_labels,
    longest_axial_diameter,
    measure_lesion,
)
from lung_ssp.ct.section import make_section
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.ct.volume import Volume

SPACING = (2.0, 1.0, 1.0)
SHAPE = (6, 20, 41)


def volume_of(shape=SHAPE) -> Volume:
    hu = np.random.default_rng(0).integers(-1000, 400, shape).astype(np.int16)
    return Volume(hu, SPACING, (-20.0, 5.0, 100.0))


def two_lesions() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3, 2:5, 3:6] = 1
    labels[2, 2:6, 3:7] = 1
    labels[4, 10:12, 30:34] = 3
    return labels


def test_each_label_is_a_lesion_in_its_own_box():
    first, second = lesions_of_labels(two_lesions(), volume_of())
    assert first.box == (slice(1, 3), slice(2, 6), slice(3, 7))
    assert np.count_nonzero(first.voxels) == 9 + 16
    assert first.volume_mm3 == 25 * 2
    assert first.slice_index == 2
    assert second.centre_mm == pytest.approx((-20 + 31.5, 5 + 10.5, 100 + 4 * 2))
    np.testing.assert_array_equal(second.mask(SHAPE), two_lesions() == 3)


def test_the_section_is_that_of_the_whole_mask():
    labels, volume, settings = two_lesions(), volume_of(), SectionSettings(size=16, field_mm=16.0)
    for label, lesion in zip((1, 3), lesions_of_labels(labels, volume), strict=True):
        whole = make_section(volume.hu, SPACING, labels == label, settings)
        np.testing.assert_array_equal(lesion.section(volume, settings), whole)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 19), st.integers(0, 40)), min_size=1, max_size=12))
def test_whatever_its_voxels_the_section_is_that_of_the_mask(voxels):
    mask = np.zeros(SHAPE, bool)
    mask[tuple(np.transpose(voxels))] = True
    volume, settings = volume_of(), SectionSettings(size=9, field_mm=18.0)
    lesion = lesion_from_mask(mask, volume)
    np.testing.assert_array_equal(lesion.mask(SHAPE), mask)
    np.testing.assert_array_equal(lesion.section(volume, settings), make_section(volume.hu, SPACING, mask, settings))


def test_a_lesion_found_in_a_part_is_the_same_in_the_whole_scan():
    volume, mask = volume_of(), two_lesions() == 1
    part = (slice(1, 5), slice(1, 15), slice(2, 30))
    whole, moved = lesion_from_mask(mask, volume), lesion_from_mask(mask[part], volume.crop(part)).in_whole_scan(part)
    assert (moved.box, moved.slice_index) == (whole.box, whole.slice_index)
    assert moved.centre_mm == pytest.approx(whole.centre_mm, abs=1e-9)
    np.testing.assert_array_equal(moved.mask(SHAPE), mask)


def test_the_box_may_be_wider_than_the_voxels():
    mask, volume = two_lesions() == 3, volume_of()
    box = (slice(3, 6), slice(9, 20), slice(20, 41))
    wide, tight = measure_lesion(box, mask[box], volume), lesion_from_mask(mask, volume)
    assert (wide.centre_mm, wide.volume_mm3, wide.slice_index) == (tight.centre_mm, tight.volume_mm3, tight.slice_index)
    settings = SectionSettings()
    np.testing.assert_array_equal(wide.section(volume, settings), tight.section(volume, settings))


def test_a_lesion_keeps_no_hold_of_the_mask_it_was_cut_from():
    mask = two_lesions() == 1
    assert lesion_from_mask(mask, volume_of()).voxels.base is None


def test_a_mask_without_a_voxel_is_no_lesion():
    with pytest.raises(ValueError, match="empty"):
        lesion_from_mask(np.zeros(SHAPE, bool), volume_of())


def test_diameters_by_hand():
    assert equivalent_diameter(4 / 3 * np.pi * 5**3) == pytest.approx(10)
    bar = np.zeros((2, 10, 10), bool)
    bar[0, 2, 3:7] = True
    bar[1, 4, 4] = True
    assert longest_axial_diameter(bar, (5.0, 0.5, 0.5)) == pytest.approx(4 * 0.5)
    slanted = np.zeros((1, 10, 10), bool)
    slanted[0, [1, 4], [1, 5]] = True
    assert longest_axial_diameter(slanted, (5.0, 1.0, 1.0)) == pytest.approx(5 + 1)
    assert longest_axial_diameter(slanted, (5.0, 2.0, 1.0)) == pytest.approx(np.hypot(6, 4) + 1.5)
