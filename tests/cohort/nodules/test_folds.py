"""Five folds by patient."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lung_ssp.cohort.nodules.folds import FoldMember, draw_folds, read_folds, split_of_fold, write_folds
from lung_ssp.errors import CohortError

MEMBERS = [FoldMember(f"{p}-{n}", f"P{p:02d}", p % 3) for p in range(30) for n in range(1 + p % 2)]


@given(st.randoms(use_true_random=False), st.integers(0, 5))
def test_the_order_of_the_rows_makes_no_difference(rng: random.Random, seed: int) -> None:
    shuffled = rng.sample(MEMBERS, len(MEMBERS))
    assert draw_folds(shuffled, seed) == draw_folds(MEMBERS, seed)


def test_every_fold_has_its_share_of_each_class() -> None:
    members = [FoldMember(f"{p}-{n}", f"P{p:03d}", p % 3) for p in range(150) for n in range(1 + p % 2)]
    folds = draw_folds(members, 0)
    counts = Counter((folds[member.patient], member.stratum) for member in members)  # 75 nodules of each class
    assert all(12 <= counts[fold, stratum] <= 18 for fold in range(5) for stratum in range(3))


def test_another_seed_gives_other_folds() -> None:
    assert draw_folds(MEMBERS, 0) != draw_folds(MEMBERS, 1)


def test_five_patients_have_a_fold_each_whatever_their_classes() -> None:
    members = [FoldMember(f"{p}", f"P{p}", p % 3) for p in range(5)]
    assert sorted(draw_folds(members, 0).values()) == [0, 1, 2, 3, 4]
    with pytest.raises(CohortError, match="nodules of 4 patients, but 5 folds need one each"):
        draw_folds(members[:4], 0)


def test_the_fold_after_the_test_fold_is_the_validation_split() -> None:
    assert [split_of_fold(fold, 4) for fold in range(5)] == ["validation", "train", "train", "train", "test"]


def test_without_a_test_fold_all_but_the_first_train() -> None:
    assert [split_of_fold(fold, None) for fold in range(5)] == ["validation", *["train"] * 4]


def test_folds_come_back_from_their_table(tmp_path: Path) -> None:
    write_folds(tmp_path, {"B": 1, "A": 4})
    assert (tmp_path / "folds.csv").read_text() == "patient,fold\nA,4\nB,1\n"
    assert read_folds(tmp_path) == {"A": 4, "B": 1}
    (tmp_path / "folds.csv").write_text("patient,fold\nA,5\n")
    with pytest.raises(CohortError, match=r"folds\.csv, line 2: fold is '5'"):
        read_folds(tmp_path)
