"""Who has which lesions: exact counts, no patient in two splits."""

import numpy as np
import pytest

from lung_ssp.cohort.phantom.patients import Patient, plan_patients
from lung_ssp.cohort.phantom.settings import PatientSettings, PhantomSettings
from lung_ssp.cohort.store import SPLITS

SHIPPED = PhantomSettings()


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    return plan_patients(SHIPPED, seed=42)


def labels_of(patients, split) -> list[int]:
    return [f.label for p in patients if p.split == split for f in p.findings for _ in f.years]


@pytest.mark.parametrize("split", SPLITS)
def test_each_split_has_exactly_the_configured_sections(patients, split):
    counted = np.bincount(labels_of(patients, split), minlength=9).tolist()
    assert counted == SHIPPED.sections.counts.of(split).as_list()


def test_the_shipped_counts_are_those_of_the_protocol():
    counts = SHIPPED.sections.counts
    assert (counts.train.total, counts.validation.total, counts.test.total) == (6200, 780, 1540)
    for split in SPLITS:  # NLST's order of frequency; PMC8159850
        normal, adeno, squamous, bac, large, small, carcinoid, pleomorphic, unclassified = counts.of(split).as_list()
        assert normal > adeno > squamous > unclassified > small > large > bac > carcinoid > pleomorphic


def test_a_patient_is_in_one_split_and_has_one_cancer_at_most(patients):
    names = [p.name for p in patients]
    assert len(set(names)) == len(names)
    assert all(sum(f.label != 0 for f in p.findings) <= 1 for p in patients)
    assert any(len(p.findings) > 1 for p in patients)


def test_findings_lie_in_the_three_screening_years_and_keep_their_look(patients):
    findings = [f for p in patients for f in p.findings]
    assert {f.first_year + len(f.years) for f in findings} == {1, 2, 3}
    for finding in findings:
        assert [a.years_grown for a in finding.years] == list(range(len(finding.years)))
        assert len({a.location for a in finding.years}) == 1


def test_names_leave_room_for_the_patients_of_the_scans(patients):
    numbers = sorted(int(p.name.removeprefix("PHANTOM-")) for p in patients)
    assert numbers[0] == sum(SHIPPED.scans.patients) + 1
    assert numbers == list(range(numbers[0], numbers[0] + len(patients)))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_patients_and_another_others(patients):
    assert plan_patients(SHIPPED, seed=42) == patients
    assert plan_patients(SHIPPED, seed=43) != patients


@pytest.mark.slow
def test_the_share_of_known_pathologies_is_configurable():
    settings = SHIPPED.model_copy(update={"patients": PatientSettings(pathology_share=0.3)})
    known = [p.has_pathology for p in plan_patients(settings, seed=1)]
    assert np.mean(known) == pytest.approx(0.3, abs=0.04)
