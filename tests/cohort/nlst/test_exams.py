"""Exams made from NLST's tables."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lung_ssp.cohort.nlst.codes import LOBES
from lung_ssp.cohort.nlst.exams import Abnormality, Cancer, Exam, exams_of
from lung_ssp.cohort.nlst.histology import HistologyMap
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.tables import read_tables
from lung_ssp.errors import CohortError

NAMES = Pseudonyms(b"s" * 32)
FIRST, SECOND, THIRD = map(NAMES.participant, (100001, 100002, 100003))


def read(folder: Path) -> dict[tuple[str, int], Exam]:
    return exams_of(read_tables(folder, NAMES), HistologyMap.read())


def test_each_screening_year_is_an_exam(nlst_tables: Callable[..., Path]) -> None:
    exams = read(nlst_tables())
    assert set(exams) == {(FIRST, 0), (FIRST, 1), (SECOND, 0), (SECOND, 1), (SECOND, 2), (THIRD, 0)}
    assert exams[SECOND, 2] == Exam(SECOND, 2, 735, 0, None, (), (), result=2)


def test_an_exam_holds_what_was_recorded(nlst_tables: Callable[..., Path]) -> None:
    exam = read(nlst_tables())[FIRST, 1]
    assert (exam.exam_day, exam.can_scr, exam.candx_days, exam.result) == (380, 1, 500, 4)
    assert exam.abnormalities == (
        Abnormality(1, 51, "RUL", 82, 12.5, 9.0, "spiculated", "mixed", growth="yes", preexisting="yes",
                    attenuation_change="no"),
        Abnormality(2, 59),
    )  # fmt: skip
    assert exam.cancers == (
        Cancer(1, 1, 500, frozenset({"RUL"}), "IA", frozenset({"RUL"})),
        Cancer(2, 2, 800, frozenset(), "IIIB", frozenset({"RLL", "LLL"})),
    )


def test_neither_slice_999_nor_code_8_is_a_place(nlst_tables: Callable[..., Path]) -> None:
    (found,) = read(nlst_tables())[THIRD, 0].abnormalities
    assert found == Abnormality(1, 51, None, None, 6.0, None, "unable to determine", "unable to determine")


def test_a_hilum_tells_the_side_and_the_topography_the_level(nlst_tables: Callable[..., Path]) -> None:
    (cancer,) = read(nlst_tables())[THIRD, 0].cancers
    assert cancer == Cancer(1, 5, 2000, frozenset(), "IV", frozenset({"LUL"}))


@pytest.mark.parametrize(
    ("change", "lobes", "possible"),
    [
        ({"prsn": {"locrup": [0, None, 0], "locunk": [1, None, 0]}}, set(), {"RUL", "LUL"}),
        ({"prsn": {"loclin": [1, None, 0]}}, {"RUL", "lingula"}, {"RUL", "LUL"}),
        ({"prsn": {"locrup": [0, None, 0]}, "canc": {"lc_topog": ["C342", "C34.3", ""]}}, {"RML"}, {"RML"}),
        ({"prsn": {"locrup": [0, None, 0]}, "canc": {"lc_topog": ["C34.9", "C34.3", ""]}}, set(), LOBES),
        (
            {"prsn": {"locrup": [0, None, 0], "locrhil": [1, None, 0]}, "canc": {"lc_topog": "drop"}},
            set(),
            {"RUL", "RML", "RLL"},
        ),
    ],
)
def test_the_place_of_the_first_cancer(
    nlst_tables: Callable[..., Path], change: dict, lobes: set, possible: set
) -> None:
    cancer = read(nlst_tables(**change))[FIRST, 0].cancers[0]
    assert (cancer.lobes, cancer.possible) == (lobes, possible)


def test_an_exam_without_its_day_is_kept_where_something_was_recorded(nlst_tables: Callable[..., Path]) -> None:
    exams = read(nlst_tables(prsn={"scr_days0": [None, None, None], "scr_days1": [None, None, None]}))
    assert set(exams) == {(FIRST, 0), (FIRST, 1), (SECOND, 0), (SECOND, 1), (SECOND, 2), (THIRD, 0)}
    assert exams[FIRST, 0].exam_day is None


def test_an_unlisted_morphology_stops(nlst_tables: Callable[..., Path]) -> None:
    with pytest.raises(CohortError, match=r"lc_morph 9999 \(1 row\) is not in"):
        read(nlst_tables(canc={"lc_morph": [8140, 9999, 8041]}))
