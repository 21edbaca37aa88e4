"""The sections: labels of the shipped protocol, and rendering that depends on nothing but the seed."""

from itertools import pairwise

import numpy as np
import pytest

from lung_ssp.cohort.phantom.patients import plan_patients
from lung_ssp.cohort.phantom.sections import image_labels, plan_sections, render_scan_of, render_sections
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.process_pool import ProcessPool, process_pool

SHIPPED = PhantomSettings()
SHIPPED_SEED = 42


@pytest.fixture(scope="module")
def planned_sections():
    return plan_sections(plan_patients(SHIPPED, SHIPPED_SEED), "test")


@pytest.fixture(scope="module")
def both_labels(planned_sections):
    reader = image_labels(planned_sections, SHIPPED, SHIPPED_SEED, "test")
    return reader, np.array([section.pathology for section in planned_sections])


def test_class_0_holds_1712_of_the_3080_test_labels(both_labels):
    assert sum(np.count_nonzero(labels == 0) for labels in both_labels) == 1712
    assert 2 * len(both_labels[0]) == 3080


def test_reader_and_pathology_agree_in_70_to_80_percent(both_labels):
    reader, pathology = both_labels
    assert 0.70 <= np.mean(reader == pathology) <= 0.80


def test_the_mean_of_both_labels_follows_nlst_and_leaves_no_class_below_8(both_labels):
    mean = sum(np.bincount(labels, minlength=9) for labels in both_labels) / 2
    assert mean.min() >= 8
    _, adeno, squamous, bac, large, small, carcinoid, pleomorphic, unclassified = mean
    assert adeno > squamous > unclassified > small > large > bac > carcinoid > pleomorphic


@pytest.mark.parametrize("seed", [0, 1])
def test_the_labels_keep_their_promises_with_other_seeds(seed):
    sections = plan_sections(plan_patients(SHIPPED, seed), "test")
    reader = image_labels(sections, SHIPPED, seed, "test")
    pathology = np.array([section.pathology for section in sections])
    assert np.count_nonzero(reader == 0) == 856
    assert 0.70 <= np.mean(reader == pathology) <= 0.80
    assert (np.bincount(reader, minlength=9) + np.bincount(pathology, minlength=9)).min() >= 16


def test_rendering_does_not_depend_on_order_or_processes(planned_sections):
    chosen = planned_sections[::150]
    settings = SectionSettings()
    alone = render_sections(chosen, SHIPPED, settings, SHIPPED_SEED, ProcessPool())
    with process_pool(2) as two:
        together = render_sections(chosen[::-1], SHIPPED, settings, SHIPPED_SEED, two)[::-1]
    np.testing.assert_array_equal(alone, together)
    assert alone.dtype == np.float32 and alone.shape == (len(chosen), 28, 28)
    assert alone.min() >= 0 and alone.max() <= 1


def test_another_seed_gives_other_pictures(planned_sections):
    chosen = planned_sections[:2]
    one, other = (render_sections(chosen, SHIPPED, SectionSettings(), seed, ProcessPool()) for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_a_lesion_keeps_its_shape_and_surroundings_over_the_years_but_not_the_noise(planned_sections):
    followed = [
        pair
        for pair in pairwise(planned_sections)
        if pair[0].key == pair[1].key and pair[0].label == 0 and pair[0].attributes.diameter_mm > 10
    ]
    for pair in followed[:10]:
        one, two = render_sections(list(pair), SHIPPED, SectionSettings(), SHIPPED_SEED, ProcessPool())
        assert not np.array_equal(one, two)
        assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.7


def test_the_mask_has_the_size_of_the_lesion(planned_sections):
    nodules = [
        s for s in planned_sections if s.attributes.finding == "nodule" and s.attributes.location == "parenchyma"
    ]
    ratios = []
    for section in nodules[:20]:
        hu, spacing, mask = render_scan_of(section, SHIPPED, 56.0, SHIPPED_SEED)
        assert hu.shape == mask.shape and hu.dtype == np.int16
        area = mask.sum(axis=(1, 2)).max() * spacing[1] * spacing[2]
        ratios.append(2 * np.sqrt(area / np.pi) / section.attributes.diameter_mm)
    assert 0.65 < np.median(ratios) < 1.1  # elongated lesions are narrower than long


def test_every_finding_has_a_section(planned_sections):
    """Nothing, vessels and nodules; the smallest of them too."""
    for finding in ("none", "vessel", "nodule"):
        own = [s for s in planned_sections if s.attributes.finding == finding]
        smallest = min(own, key=lambda s: s.attributes.diameter_mm)
        assert render_scan_of(smallest, SHIPPED, 56.0, SHIPPED_SEED)[2].any()
