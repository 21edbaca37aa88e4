import numpy as np
import pytest

from lung_ssp.ct.lesion import find_candidates
from lung_ssp.ct.settings import NoduleSettings
from lung_ssp.ct.volume import Volume

SPACING = (2.0, 1.0, 1.0)
SHAPE = (40, 80, 80)
SETTINGS = NoduleSettings()


def ball(centre, radius):
    """Voxels within `radius` mm of `centre`, an index (z, y, x)."""
    index = np.indices(SHAPE).reshape(3, -1).T
    return (np.linalg.norm((index - centre) * SPACING, axis=1) <= radius).reshape(SHAPE)


def scan(*lesions):
    hu = np.full(SHAPE, -850, np.int16)
    for number, lesion in enumerate(lesions):
        hu[lesion] = 10 * number
    return Volume(hu, SPACING, (-40.0, -30.0, -200.0))


def found(probability, volume, lungs=None, settings=SETTINGS):
    lungs = np.ones(SHAPE, bool) if lungs is None else lungs
    return find_candidates(probability.astype(np.float32), volume, lungs, settings)


def test_a_ball_is_measured():
    lesion = ball((20, 40, 30), 8)
    candidate = found(0.9 * lesion, scan(lesion))[0]
    assert candidate.mean_hu == 0
    assert candidate.score == pytest.approx(0.9)
    measured = candidate.lesion
    assert measured.centre_mm == pytest.approx((-40 + 30, -30 + 40, -200 + 20 * 2))
    assert measured.volume_mm3 == lesion.sum() * 2
    assert measured.diameter_mm == pytest.approx(16, abs=0.3)
    assert measured.longest_axial_diameter_mm == pytest.approx(17)  # 8 pixels to each side and the middle one
    assert measured.slice_index == 20
    assert measured.box == (slice(16, 25), slice(32, 49), slice(22, 39))
    np.testing.assert_array_equal(measured.mask(SHAPE), lesion)


def test_the_most_suspicious_come_first_and_no_more_than_asked():
    lesions = [ball((8, 15 + 22 * k, 40), 5) for k in range(3)]
    probability = 0.7 * lesions[0] + 0.95 * lesions[1] + 0.8 * lesions[2]
    candidates = found(probability, scan(*lesions))
    assert [candidate.mean_hu for candidate in candidates] == [10, 20, 0]
    assert [candidate.score for candidate in candidates] == pytest.approx([0.95, 0.8, 0.7])
    two = found(probability, scan(*lesions), settings=NoduleSettings(max_candidates=2))
    assert [candidate.mean_hu for candidate in two] == [10, 20]


def test_a_thin_vessel_scores_below_a_nodule_of_the_same_probability():
    vessel = np.zeros(SHAPE, bool)
    vessel[10, 20:60, 60:62] = True
    lesion = ball((25, 40, 20), 6)
    first, second = found(1.0 * (vessel | lesion), scan(lesion, vessel))
    assert first.mean_hu == 0
    assert first.score == pytest.approx(1)
    # of the cube of about 6 mm (5 x 5 pixels and 3 slices) it fills two columns of one slice
    assert second.score == pytest.approx(2 * 5 / (5 * 5 * 3))


def test_score_at_the_border_of_the_scan_counts_what_lies_beyond_as_nothing():
    corner = np.zeros(SHAPE, bool)
    corner[:3, :4, :4] = True
    candidate = found(1.0 * corner, scan(corner))[0]
    assert candidate.score == pytest.approx(3 * 4 * 4 / (5 * 5 * 3))


def test_limits_of_the_diameter():
    small, large = ball((8, 20, 20), 2), ball((25, 50, 50), 12)
    volume = scan(small, large)
    probability = 1.0 * (small | large)
    assert [n.mean_hu for n in found(probability, volume)] == [10, 0]
    assert [n.mean_hu for n in found(probability, volume, settings=NoduleSettings(min_diameter_mm=6.0))] == [10]
    assert [n.mean_hu for n in found(probability, volume, settings=NoduleSettings(max_diameter_mm=6.0))] == [0]


def test_only_inside_the_lungs_and_from_the_threshold_on():
    inside, outside, faint = ball((8, 20, 20), 5), ball((8, 60, 60), 5), ball((30, 40, 40), 5)
    lungs = np.ones(SHAPE, bool)
    lungs[:, 50:] = False
    probability = 0.5 * inside + 1.0 * outside + 0.49 * faint
    candidates = found(probability, scan(inside, outside, faint), lungs)
    assert [candidate.mean_hu for candidate in candidates] == [0]


def test_parts_that_meet_at_an_edge_only_are_two():
    first, second = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    first[10:15, 20:30, 20:30] = True
    second[10:15, 30:40, 30:40] = True
    assert len(found(1.0 * (first | second), scan(first, second))) == 2
    second[10:15, 29:40, 30:40] = True
    assert len(found(1.0 * (first | second), scan(first, second))) == 1


def test_nothing_probable_gives_nothing():
    assert found(np.zeros(SHAPE), scan()) == []


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="same shape"):
        find_candidates(np.zeros((2, 3, 4), np.float32), scan(), np.ones(SHAPE, bool), SETTINGS)
