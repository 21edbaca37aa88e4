"""Whole chests with their truth."""

import numpy as np
import pytest

from lung_ssp.cohort.phantom.looks import VALUES
from lung_ssp.cohort.phantom.scans import make_scan, plan_scans
from lung_ssp.cohort.phantom.settings import PhantomCohortSettings, PhantomSettings

pytestmark = pytest.mark.slow

SHIPPED = PhantomSettings()


@pytest.fixture(scope="module")
def scan(tiny_settings: PhantomCohortSettings):
    planned = plan_scans(tiny_settings.phantom, 7)[0]
    return planned, make_scan(planned, tiny_settings.phantom, 7)


def test_the_shipped_plan_has_24_patients_and_enough_lesions_of_every_kind():
    scans = plan_scans(SHIPPED, 42)
    assert [sum(s.split == split for s in scans) for split in ("train", "validation", "test")] == [16, 4, 4]
    lesions = [lesion for s in scans for lesion in s.lesions]
    assert len(lesions) >= 60
    assert {label for s in scans for label in s.labels} == set(range(9))
    assert {lesion.location for lesion in lesions} == set(VALUES["location"])
    assert max(lesion.diameter_mm for lesion in lesions) <= SHIPPED.scans.max_diameter_mm
    assert min(len(s.lesions) for s in scans) >= 2
    assert len({s.patient for s in scans}) == 24


def test_lungs_have_the_attenuation_and_volume_of_real_ones(scan):
    _, truth = scan
    litres = truth.lungs.sum() * np.prod(truth.spacing) / 1e6
    assert 2.0 < litres < 7.5
    assert -890 < np.median(truth.hu[truth.lungs]) < -700
    body = truth.hu[len(truth.hu) // 2]
    assert np.mean((body > 0) & (body < 100)) > 0.1  # soft tissue
    assert (truth.hu > 300).any()  # bone
    assert (truth.hu[:, 0, 0] == truth.padding_hu).all()


def test_lesions_lie_in_the_lungs_around_their_centres(scan):
    planned, truth = scan
    assert set(np.unique(truth.lesions)) == set(range(len(planned.lesions) + 1))
    assert truth.lungs[truth.lesions > 0].all()
    for number, (x, y, z) in enumerate(truth.centres_mm, start=1):
        index = np.argwhere(truth.lesions == number).mean(axis=0)
        position = index * truth.spacing + np.array(truth.origin[::-1])
        away = np.linalg.norm(position - (z, y, x))
        assert away < planned.lesions[number - 1].diameter_mm * 0.6 + max(truth.spacing)


def test_the_same_seed_gives_the_same_scan_and_patients_differ(scan, tiny_settings):
    planned, truth = scan
    again = make_scan(planned, tiny_settings.phantom, 7)
    np.testing.assert_array_equal(again.hu, truth.hu)
    np.testing.assert_array_equal(again.lesions, truth.lesions)
    other = make_scan(plan_scans(tiny_settings.phantom, 7)[1], tiny_settings.phantom, 7)
    assert other.spacing != truth.spacing


def test_lesions_touch_wall_mediastinum_and_vessels():
    """On the shipped cohort's own first patients that have such lesions, at a coarser grid."""
    small = PhantomSettings.model_validate({"scans": {"size": 96, "slices": [44, 44], "slice_mm": [6.0, 6.2]}})
    scans = plan_scans(small, 42)
    touching = {"wall": 0, "mediastinum": 0}
    for location in touching:
        planned = next(s for s in scans if any(one.location == location for one in s.lesions))
        truth = make_scan(planned, small, 42)
        outside = ~truth.lungs
        beside = outside[1:] | outside[:-1]
        grown = np.zeros_like(outside)
        grown[1:] |= beside
        grown[:-1] |= beside
        for axis in (1, 2):
            grown |= np.roll(outside, 1, axis) | np.roll(outside, -1, axis)
        for number, one in enumerate(planned.lesions, start=1):
            if one.location == location:
                touching[location] += bool((grown & (truth.lesions == number)).any())
    assert min(touching.values()) >= 1
