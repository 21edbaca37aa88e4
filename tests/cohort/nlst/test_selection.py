"""Which series stands for its exam, and why the others do not."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lung_ssp.cohort.nlst import selection
from lung_ssp.cohort.nlst.selection import choose_series, exclusion_reasons, nearest_reasons
from lung_ssp.cohort.nlst.settings import SelectionSettings

RULE = SelectionSettings(min_slices=80, max_slices=500, kernels=["STANDARD", "LUNG"])
USABLE = {
    "series_uid": "1.2.5",
    "participant": "P-1",
    "study_uid": "1.2.9",
    "study_date": "2000-01-02",
    "study_year": 1,
    "analysis": "",
    "type": "OPA",
    "localizer": False,
    "kernel": "STANDARD",
    "thickness_mm": 2.0,
    "instances": 150,
    "preference": 0,
}


def series(*changes: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([USABLE | change for change in changes])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"thickness_mm": 2.5}, ""),
        ({"instances": 80}, ""),
        ({"instances": 500}, ""),
        ({"kernel": "B30f"}, ""),
        ({"analysis": "lidc_annot_nlst501"}, selection.DERIVED),
        ({"type": None}, selection.UNREADABLE),
        ({"study_date": "1999-01-02"}, selection.OTHER_YEAR),
        ({"study_date": None}, selection.OTHER_YEAR),
        ({"type": "OPL", "localizer": True}, selection.LOCALIZER),
        ({"type": "DSR"}, selection.OTHER_TYPE),
        ({"thickness_mm": float("nan")}, selection.NO_THICKNESS),
        ({"thickness_mm": 2.6}, selection.TOO_THICK),
        ({"instances": 79}, selection.TOO_FEW),
        ({"instances": 501}, selection.TOO_MANY),
        ({"thickness_mm": 5.0, "instances": 1}, selection.TOO_THICK),
    ],
)
def test_why_a_series_is_left_out(change: dict[str, Any], reason: str) -> None:
    assert exclusion_reasons(series(change), RULE).tolist() == [reason]


def test_kernels_not_in_the_list_can_be_refused() -> None:
    strict = RULE.model_copy(update={"other_kernels": "refuse"})
    assert exclusion_reasons(series({"kernel": "B30f"}, {}), strict).tolist() == [selection.OTHER_KERNEL, ""]


def test_a_study_of_two_participants_is_nobodys() -> None:
    both = series({}, {"participant": "P-2"}, {"study_uid": "1.2.8"})
    assert exclusion_reasons(both, RULE).tolist() == [selection.SHARED_STUDY, selection.SHARED_STUDY, ""]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"preference": 1, "type": "OSA", "kernel": "other", "thickness_mm": 2.5}, {}),
        ({"preference": 2}, {"preference": 1}),
        ({"type": "OPA", "kernel": "LUNG"}, {"type": "OSA"}),
        ({"kernel": "STANDARD", "thickness_mm": 2.5}, {"kernel": "LUNG", "thickness_mm": 1.0}),
        ({"kernel": "LUNG"}, {"kernel": "unlisted", "thickness_mm": 1.0}),
        ({"thickness_mm": 1.2, "instances": 90}, {"thickness_mm": 2.0, "instances": 300}),
        ({"instances": 151}, {"instances": 150}),
        ({"series_uid": "1.2.4"}, {}),
    ],
)
def test_the_better_series_is_chosen_in_either_order(better: dict[str, Any], worse: dict[str, Any]) -> None:
    # The UID speaks for the worse one unless it is what is compared.
    better = {"series_uid": "1.2.6"} | better
    for pair in ((better, worse), (worse, better)):
        assert choose_series(series(*pair), RULE)["series_uid"].tolist() == [better["series_uid"]]


def test_each_participant_has_one_series_a_year() -> None:
    rows = series({}, {"study_uid": "1.2.8", "series_uid": "1.2.6"}, {"study_year": 2, "series_uid": "1.2.7"})
    assert sorted(choose_series(rows, RULE)["series_uid"]) == ["1.2.5", "1.2.7"]


CHOICES = st.fixed_dictionaries(
    {
        "participant": st.sampled_from(["P-1", "P-2"]),
        "study_year": st.integers(0, 2),
        "type": st.sampled_from(["OPA", "OSA"]),
        "kernel": st.sampled_from(["STANDARD", "LUNG", ""]),
        "thickness_mm": st.sampled_from([1.0, 2.0]),
        "instances": st.integers(80, 82),
    }
)


@pytest.mark.slow
@given(st.lists(CHOICES, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_reading_decides_nothing(changes: list[dict[str, Any]], random: Any) -> None:
    rows = series(*({**change, "series_uid": f"1.2.{number}"} for number, change in enumerate(changes)))
    shuffled = rows.sample(frac=1, random_state=random.randrange(1000))
    chosen = set(choose_series(rows, RULE)["series_uid"])
    assert set(choose_series(shuffled, RULE)["series_uid"]) == chosen
    assert len(chosen) == len(rows[["participant", "study_year"]].drop_duplicates())


def test_an_exam_without_a_usable_series_counts_under_the_nearest_reason() -> None:
    rows = series({}, {}, {"study_uid": "1.2.7"}, {"study_uid": "1.2.8"})
    rows["reason"] = [selection.LOCALIZER, selection.TOO_THICK, selection.LOCALIZER, ""]
    assert nearest_reasons(rows).to_dict() == {"1.2.9": selection.TOO_THICK, "1.2.7": selection.LOCALIZER}
