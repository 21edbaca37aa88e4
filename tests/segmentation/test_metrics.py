"""Measures on arrays small enough to count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from lung_ssp.ct.lesion import find_candidates
from lung_ssp.ct.settings import NoduleSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.segmentation.metrics import Scores, detect, dice, dice_by_lesion, scores_of

MASKS = arrays.arrays(bool, (2, 3, 4))


def row(*values: int) -> np.ndarray:
    return np.array([[values]])


def test_scores_by_hand():
    assert scores_of([0.0, 0.5, 1.0, 0.9]) == Scores(mean=0.6, median=0.7, values=(0.0, 0.5, 1.0, 0.9))


def test_dice_by_hand():
    assert dice(row(1, 1, 0, 0) > 0, row(0, 1, 1, 1) > 0) == pytest.approx(2 * 1 / 5)
    assert dice(row(1, 0) > 0, row(0, 1) > 0) == 0
    assert dice(row(0, 0) > 0, row(0, 0) > 0) == 1


@given(MASKS, MASKS)
def test_dice_is_symmetric_within_0_to_1_and_1_for_equals_only(one, other):
    assert dice(one, other) == dice(other, one)
    assert 0 <= dice(one, other) <= 1
    assert (dice(one, other) == 1) == np.array_equal(one, other)


def test_each_lesion_is_set_against_the_parts_that_touch_it():
    lesions = row(1, 1, 0, 2, 2, 2, 0, 3, 0, 0)
    found = row(0, 1, 0, 0, 1, 1, 1, 0, 0, 1) > 0  # the last part touches nothing, and spoils no lesion's Dice
    scores = dice_by_lesion(found, lesions)
    assert scores == {1: pytest.approx(2 / 3), 2: pytest.approx(2 * 2 / 6), 3: 0.0}


def test_two_parts_of_one_lesion_count_together_and_one_part_of_two_lesions_counts_for_both():
    assert dice_by_lesion(row(1, 0, 1) > 0, row(1, 1, 1)) == {1: pytest.approx(4 / 5)}
    assert dice_by_lesion(row(1, 1, 1) > 0, row(1, 0, 2)) == {1: pytest.approx(2 / 4), 2: pytest.approx(2 / 4)}


def test_nothing_found_and_nothing_there():
    assert dice_by_lesion(row(0, 0) > 0, row(1, 0)) == {1: 0.0}
    assert dice_by_lesion(row(1, 0) > 0, row(0, 0)) == {}


def test_detection_counts_lesions_found_and_candidates_that_hit_none():
    volume = Volume(np.zeros((8, 30, 40), np.int16), (1.0, 1.0, 1.0), origin=(-5.0, 7.0, 100.0))
    lesions = np.zeros(volume.shape, np.uint8)
    lesions[2:6, 2:8, 2:8] = 1
    lesions[2:6, 2:8, 20:26] = 2
    lesions[2:6, 20:26, 2:8] = 3
    probability = np.zeros(volume.shape, np.float32)
    probability[3:5, 3:6, 3:6] = 1  # a small part, but its centre lies in lesion 1
    probability[2:6, 2:8, 22:36] = 1  # centred outside lesion 2, Dice 2 * 96 / (144 + 336) = 0.4
    probability[2:6, 16:21, 2:8] = 1  # one row of six of lesion 3: Dice 2 * 24 / (144 + 120) = 0.18
    probability[2:6, 20:25, 20:25] = 1  # nothing there
    candidates = find_candidates(probability, volume, np.ones(volume.shape, bool), NoduleSettings(min_diameter_mm=1.0))
    assert len(candidates) == 4
    assert detect(candidates, lesions, volume) == ({1, 2}, {3}, 2)


def test_without_candidates_every_lesion_is_missed():
    volume = Volume(np.zeros((1, 1, 3), np.int16), (1.0, 1.0, 1.0))
    assert detect([], row(0, 4, 7).astype(np.uint8), volume) == (set(), {4, 7}, 0)
