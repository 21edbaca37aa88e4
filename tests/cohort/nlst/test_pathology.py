"""Which pathology a lesion may be given."""

import pytest

from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.nlst.codes import LOBES, possible_lobes
from lung_ssp.cohort.nlst.exams import Cancer, Exam
from lung_ssp.cohort.nlst.labels import pathology_labels
from lung_ssp.cohort.nlst.settings import SampleSettings

RUL, RLL, RIGHT, LEFT, NOWHERE = (
    possible_lobes("RUL", None),
    possible_lobes("RLL", None),
    possible_lobes(None, "right"),
    possible_lobes(None, "left"),
    frozenset(),
)
DAY = 100


def recorded(*lobes: str, label: int = 1, order: int = 1, day: int | None = DAY) -> Cancer:
    whole = frozenset("LUL" if lobe == "lingula" else lobe for lobe in lobes)
    return Cancer(order, label, day, frozenset(lobes), None, whole)


def half(possible: frozenset[str], label: int = 1, order: int = 1) -> Cancer:
    return Cancer(order, label, DAY, frozenset(), None, possible)


def exam(*cancers: Cancer, can_scr: int = 1, day: int | None = DAY) -> Exam:
    return Exam("P-000000000000", 1, day, can_scr, None, (), cancers)


def pathology(found: Exam, *lobes: frozenset[str], rivals: tuple = (), **settings) -> list[tuple[int, str]]:
    return pathology_labels(found, lobes, rivals, SampleSettings(**settings))


@pytest.mark.parametrize(
    ("days", "source"),
    [
        (-1, "withheld: diagnosis before the exam"),
        (0, "nlst_canc #1"),
        (365, "nlst_canc #1"),
        (366, "withheld: diagnosis more than 365 days after the exam"),
    ],
)
def test_the_exam_comes_shortly_before_the_diagnosis(days: int, source: str) -> None:
    assert pathology(exam(recorded("RUL", label=5, day=DAY + days)), RUL) == [
        (5 if source.startswith("nlst") else MISSING, source)
    ]


def test_the_days_are_a_setting() -> None:
    found = exam(recorded("RUL", day=DAY + 31))
    assert pathology(found, RUL, days_to_diagnosis=31) == [(1, "nlst_canc #1")]
    assert pathology(found, RUL, days_to_diagnosis=30) == [
        (MISSING, "withheld: diagnosis more than 30 days after the exam")
    ]


@pytest.mark.parametrize(
    ("found", "source"),
    [
        (exam(recorded("RUL"), day=None), "withheld: day of the exam not recorded"),
        (exam(recorded("RUL", day=None)), "withheld: day of the diagnosis not recorded"),
        (exam(), "withheld: no pathology recorded"),
        (exam(recorded("RUL"), can_scr=0), "withheld: can_scr=0 but a cancer is recorded"),
    ],
)
def test_what_is_not_recorded_is_withheld(found: Exam, source: str) -> None:
    assert pathology(found, RUL) == [(MISSING, source)]


def test_class_0_is_of_participants_without_cancer_only() -> None:
    assert pathology(exam(can_scr=0), RUL, NOWHERE) == [(0, "can_scr=0")] * 2
    for can_scr in (1, 2, 3, 4):
        assert pathology(exam(recorded("RUL"), can_scr=can_scr), RLL) == [(MISSING, "withheld: lobe disagrees")]


@pytest.mark.parametrize(
    ("cancer", "place", "source"),
    [
        (recorded("RUL"), RUL, "nlst_canc #1"),
        (recorded("RUL"), RLL, "withheld: lobe disagrees"),
        (recorded("RUL", "RLL"), RLL, "nlst_canc #1"),
        (recorded("lingula"), possible_lobes("LUL", None), "nlst_canc #1"),
        (recorded("RUL"), RIGHT, "withheld: lobe of the lesion not known"),
        (recorded("RUL"), LEFT, "withheld: lobe disagrees"),
        (recorded("RUL"), NOWHERE, "withheld: place of the lesion not known"),
        (half(RIGHT), RUL, "withheld: lobe of the cancer not recorded"),
        (half(RIGHT), LEFT, "withheld: lobe disagrees"),
        (half(LOBES), RUL, "withheld: lobe of the cancer not recorded"),
    ],
)
def test_the_lobe_agrees(cancer: Cancer, place: frozenset[str], source: str) -> None:
    ((label, found),) = pathology(exam(cancer), place)
    assert found == source and (label == 1) == (source == "nlst_canc #1")


def test_a_half_known_place_of_the_cancer_counts_only_if_the_setting_says_so() -> None:
    assert pathology(exam(recorded("RUL")), RIGHT, cancer_location="any") == [(1, "nlst_canc #1")]
    assert pathology(exam(half(RIGHT)), RUL, cancer_location="any") == [(1, "nlst_canc #1")]
    assert pathology(exam(half(LOBES)), RUL, cancer_location="any") == [
        (MISSING, "withheld: lobe of the cancer not recorded")
    ]


def test_two_cancers_that_may_lie_there() -> None:
    differ = "withheld: cancers of different class may lie there"
    squamous = {"label": 2, "order": 2}
    assert pathology(exam(recorded("RUL"), recorded("RUL", **squamous)), RUL) == [(MISSING, differ)]
    assert pathology(exam(recorded("RUL"), half(LOBES, **squamous)), RUL) == [(MISSING, differ)]
    assert pathology(exam(recorded("RUL"), half(LEFT, **squamous)), RUL) == [(1, "nlst_canc #1")]
    assert pathology(exam(recorded("RUL"), recorded("RUL", order=2)), RUL) == [(1, "nlst_canc #1")]
    assert pathology(exam(recorded("RUL"), recorded("RLL", **squamous)), RUL, RLL) == [
        (1, "nlst_canc #1"),
        (2, "nlst_canc #2"),
    ]
    late = recorded("RUL", label=2, order=2, day=DAY + 366)
    assert pathology(exam(recorded("RUL"), late), RUL) == [(1, "nlst_canc #1")]


def test_several_lesions_in_the_lobe_compete() -> None:
    several = (MISSING, "withheld: several lesions in the lobe of the cancer")
    found = exam(recorded("RUL"))
    assert pathology(found, RUL, RUL) == [several, several]
    assert pathology(found, RUL, RLL) == [(1, "nlst_canc #1"), (MISSING, "withheld: lobe disagrees")]
    assert pathology(found, RUL, RIGHT) == [several, (MISSING, "withheld: lobe of the lesion not known")]
    assert pathology(found, RUL, NOWHERE)[0] == several
    assert pathology(found, RUL, rivals=(RUL,)) == [several]
    assert pathology(found, RUL, rivals=(RLL,)) == [(1, "nlst_canc #1")]
    assert pathology(found, RUL, RUL, several_in_lobe="all") == [(1, "nlst_canc #1")] * 2
