"""Candidates that lie close to each other become one, and others stay as they are."""

from dataclasses import asdict

import numpy as np
import pytest

from lung_ssp.ct.lesion import find_candidates
from lung_ssp.ct.merging import merge_near
from lung_ssp.ct.settings import NoduleSettings
from lung_ssp.ct.volume import Volume

SPACING = (2.0, 1.0, 1.0)
SHAPE = (20, 60, 60)
# three cubes in a row along x, two and five free pixels apart, and one above the first, a free slice (4 mm) away
CUBES = {"a": (2, 20, 10), "b": (2, 20, 17), "c": (2, 20, 27), "d": (8, 20, 10)}


def parts(*names: str):
    boxes = [tuple(slice(start, start + 5) for start in CUBES[name]) for name in names]
    return [(box, np.ones((5, 5, 5), bool)) for box in boxes]


def merged(names: str, distance_mm: float) -> list[int]:
    """How many voxels the parts have after merging."""
    return [int(voxels.sum()) for _, voxels in merge_near(parts(*names), SPACING, distance_mm)]


def test_parts_join_within_the_distance_of_their_nearest_voxels():
    assert merged("ab", 2.9) == [125, 125]
    assert merged("ab", 3.0) == [250]
    assert merged("ad", 3.9) == [125, 125]
    assert merged("ad", 4.0) == [250]
    assert merged("abc", 5.0) == [250, 125]
    assert merged("acb", 6.0) == [375]  # a and c through b
    assert merged("", 6.0) == []


def test_a_joined_part_lies_where_its_parts_lie():
    ((box, voxels),) = merge_near(parts("d", "a"), SPACING, 4.0)
    assert box == (slice(2, 13), slice(20, 25), slice(10, 15)) and voxels.shape == (11, 5, 5)
    assert not voxels[5].any() and voxels[:5].all() and voxels[6:].all()


def test_candidates_are_merged_only_where_it_is_asked_for():
    probability = np.zeros(SHAPE, np.float32)
    for name, value in (("a", 0.9), ("b", 0.7), ("c", 0.8)):
        probability[tuple(slice(start, start + 5) for start in CUBES[name])] = value
    volume, lungs = Volume(np.full(SHAPE, -100, np.int16), SPACING), np.ones(SHAPE, bool)
    plain = find_candidates(probability, volume, lungs, NoduleSettings(score_size_mm=2.0))
    assert [round(one.score, 2) for one in plain] == [0.9, 0.8, 0.7]
    joined = find_candidates(probability, volume, lungs, NoduleSettings(score_size_mm=2.0, merge_mm=3.0))
    assert [(round(one.score, 2), one.lesion.volume_mm3) for one in joined] == [(0.9, 500.0), (0.8, 250.0)]
    assert joined[0].lesion.centre_mm == pytest.approx((15.5, 22.0, 8.0))  # x from 10 to 21, y 20 to 24, z 4 to 12 mm
    assert asdict(joined[1].lesion)["centre_mm"] == plain[1].lesion.centre_mm
