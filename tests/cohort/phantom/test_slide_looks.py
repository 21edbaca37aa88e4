"""The looks of the cancers on a slide."""

import numpy as np
import pytest
from pydantic import ValidationError

from lung_ssp.cohort.phantom.slide_looks import ARRANGEMENTS, SlideLook, SlideLooks, draw_attributes


def test_attributes_follow_their_distributions() -> None:
    look = SlideLooks().small_cell
    drawn = [draw_attributes(look, np.random.default_rng(seed)) for seed in range(400)]
    shares = [np.mean([one.arrangement == name for one in drawn]) for name in ARRANGEMENTS]
    assert shares == pytest.approx(look.arrangement, abs=0.08)
    assert np.median([one.nuclei_mm2 for one in drawn]) == pytest.approx(look.nuclei_mm2[0], rel=0.06)
    assert np.std(np.log([one.nucleus_um for one in drawn])) == pytest.approx(look.nucleus_um[1], rel=0.15)


def test_unclassified_carcinomas_look_like_the_others_by_their_weights() -> None:
    looks, weights = SlideLooks(), [0.0, 3.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    drawn = [looks.of_cancer(8, weights, np.random.default_rng(seed)) for seed in range(300)]
    assert np.mean([look == looks.squamous_cell for look in drawn]) == pytest.approx(0.75, abs=0.08)
    assert all(look in (looks.squamous_cell, looks.small_cell) for look in drawn)
    assert looks.of_cancer(7, weights, np.random.default_rng(0)) == looks.pleomorphic


def test_probabilities_that_do_not_sum_to_one_are_refused() -> None:
    look = SlideLooks().carcinoid.model_dump() | {"arrangement": [0.5, 0.1, 0.1, 0.1, 0.1]}
    with pytest.raises(ValidationError, match=r"sum to 0\.9"):
        SlideLook.model_validate(look)
