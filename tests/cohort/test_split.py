"""Dividing a cohort by patient."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lung_ssp.cohort.split import check_disjoint, patients_by_split, record_splits, split_patients
from lung_ssp.cohort.store import SPLITS, Sections, write_sections
from lung_ssp.errors import CohortError


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1, 8), min_size=1, max_size=120), st.integers(0, 2**32 - 1))
def test_every_patient_is_in_one_split_in_about_the_shares(strata, seed):
    patients = {f"P{number}": stratum for number, stratum in enumerate(strata)}
    shares = (0.6, 0.1, 0.3)
    split_of = split_patients(patients, shares, np.random.default_rng(seed))
    assert set(split_of) == set(patients)
    for split, share in zip(SPLITS, shares, strict=True):
        assert abs(sum(own == split for own in split_of.values()) - share * len(strata)) <= 2


def test_each_stratum_is_divided_in_the_shares():
    patients = {f"P{number}": number % 2 for number in range(200)}
    split_of = split_patients(patients, (0.5, 0.2, 0.3), np.random.default_rng(0))
    for stratum in (0, 1):
        own = [split_of[patient] for patient, s in patients.items() if s == stratum]
        assert [own.count(split) for split in SPLITS] == [50, 20, 30]


def test_the_same_seed_gives_the_same_split_whatever_the_order():
    patients = {f"P{number}": number % 3 for number in range(30)}
    one = split_patients(patients, (0.7, 0.1, 0.2), np.random.default_rng(5))
    two = split_patients(dict(reversed(patients.items())), (0.7, 0.1, 0.2), np.random.default_rng(5))
    assert one == two
    assert one != split_patients(patients, (0.7, 0.1, 0.2), np.random.default_rng(6))


def test_a_shared_patient_is_named():
    check_disjoint({"train": ["a", "a", "b"], "test": ["c"]})
    with pytest.raises(CohortError, match="patient b is in both the train and the test split"):
        check_disjoint({"train": ["a", "b"], "validation": [], "test": ["b", "c"]})


def write_cohort(root: Path, patients: dict[str, list[str]]) -> None:
    for split, names in patients.items():
        count = len(names)
        images, labels = np.zeros((count, 4, 4), np.float32), np.zeros(count, int)
        write_sections(root, split, Sections(images, {"image": labels, "pathology": labels}, np.array(names)))


def test_the_split_is_written_to_a_file_with_each_patient_once(tmp_path: Path) -> None:
    write_cohort(tmp_path, {"train": ["b", "a", "a"], "validation": ["c"], "test": ["d"]})
    record_splits(tmp_path)
    assert (tmp_path / "splits.csv").read_text() == "patient,split\na,train\nb,train\nc,validation\nd,test\n"


def test_a_cohort_on_disk_that_shares_a_patient_is_refused(tmp_path: Path) -> None:
    write_cohort(tmp_path, {"train": ["a"], "validation": ["c"], "test": ["a"]})
    with pytest.raises(CohortError, match=r"patient a .*train.*test"):
        record_splits(tmp_path)
    assert not (tmp_path / "splits.csv").exists()


def test_patients_of_several_cohorts_together(tmp_path):
    for root, patient, split in (("one", "a", "train"), ("two", "a", "test"), ("three", "b", "test")):
        for name in SPLITS:
            names = np.array([patient] if name == split else [], dtype=str)
            none = np.full(len(names), -1)
            images = np.zeros((len(names), 8, 8), np.float32)
            write_sections(tmp_path / root, name, Sections(images, {"image": none, "pathology": none}, names))
    together = patients_by_split(tmp_path / "one", tmp_path / "three")
    assert together == {"train": ["a"], "validation": [], "test": ["b"]}
    with pytest.raises(CohortError, match="patient a is in both the train and the test split"):
        check_disjoint(patients_by_split(tmp_path / "one", tmp_path / "two"))
