"""Random changes of a candidate's patch: none where nothing is asked for, and each one by itself."""

import numpy as np

from lung_ssp.candidates.augmentation import centred, random_candidate
from lung_ssp.candidates.settings import CandidateAugmentationSettings
from lung_ssp.ct.settings import PatchSettings

SEEN = PatchSettings(slices=5, size=16)
NOTHING = {
    "flip": False,
    "rotation_degrees": 0.0,
    "scale": [1.0, 1.0],
    "shift_mm": 0.0,
    "neighbour_dropout": 0.0,
    "mirrored_border": 0.0,
    "blur_pixels": 0.0,
    "noise_hu": 0.0,
    "contrast": 0.0,
    "shift_hu": 0.0,
}
PATCH = np.random.default_rng(0).integers(-1000, 400, (5, 24, 24)).astype(np.int16)


def changed(seed: int, **changes) -> np.ndarray:
    settings = CandidateAugmentationSettings(**{**NOTHING, **changes})
    return random_candidate(PATCH, settings, SEEN, np.random.default_rng(seed))


def test_without_changes_the_middle_is_left():
    np.testing.assert_allclose(changed(0), centred(PATCH, 16), atol=0.01)


def test_slices_beyond_a_random_one_repeat_it():
    numbers = np.broadcast_to(np.arange(5, dtype=np.int16)[:, None, None], (5, 24, 24))
    settings = CandidateAugmentationSettings(**{**NOTHING, "neighbour_dropout": 1.0})
    seen = set()
    for seed in range(60):
        found = random_candidate(numbers, settings, SEEN, np.random.default_rng(seed))
        assert (found == found[:, :1, :1]).all()
        order = np.rint(found[:, 0, 0]).astype(int)
        assert order[2] == 2 and (np.diff(order) >= 0).all()
        seen.add(tuple(order.tolist()))
    assert (2, 2, 2, 2, 2) in seen and (0, 1, 2, 3, 4) in seen and (1, 1, 2, 2, 2) in seen


def test_one_side_may_be_mirrored_beyond_a_line():
    plain = changed(0)
    for seed in range(20):
        found = changed(seed, mirrored_border=1.0)
        same = np.isclose(found, plain, atol=0.01).all(axis=0)
        assert same[6:10, 6:10].all()  # the middle stays
        assert not same.all()
        assert np.isin(np.rint(found), np.rint(plain)).all()  # nothing new appears
