"""Making a plan smaller."""

from pathlib import Path

import pandas as pd
import pytest

from lung_ssp.cohort.nlst.plan import BEYOND_SIZE, NOT_ANNOTATED, NOT_ASKED_FOR, narrow, read_participants
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.errors import CohortError

PSEUDONYMS = Pseudonyms(bytes(32))
KNOWN = {PSEUDONYMS.participant(pid) for pid in (100001, 100002, 100003)}
EXAMS = pd.DataFrame(
    {
        "participant": ["P-c", "P-a", "P-b", "P-a"],
        "study_year": [0, 1, 0, 0],
        "annotated": [True, False, True, False],
        "mb": [400.0, 300.0, 200.0, 100.0],
    }
)
SLIDES_MB = pd.Series({"P-a": 50.0, "P-c": 10.0})


def test_participants_by_pid_or_pseudonym(tmp_path: Path) -> None:
    second = PSEUDONYMS.participant(100002)
    (tmp_path / "some.txt").write_text(f"# of a study\n 100001 \n\n{second}  # seen twice\n100002\n")
    wanted = read_participants(tmp_path / "some.txt", KNOWN, PSEUDONYMS)
    assert wanted == {PSEUDONYMS.participant(100001), second}


def test_a_line_that_names_nobody_is_told_by_its_number_alone(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("100001\n987654\n")
    with pytest.raises(CohortError, match="line 2: no such participant") as caught:
        read_participants(tmp_path / "some.txt", KNOWN, PSEUDONYMS)
    assert "987654" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"), [(b"# nobody\n", "lists no participant"), (b"\xff\xfe1", "no text"), (None, "read")]
)
def test_files_without_participants_are_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "some.txt").write_bytes(content)
    with pytest.raises(CohortError, match=message):
        read_participants(tmp_path / "some.txt", KNOWN, PSEUDONYMS)


def test_nothing_asked_for_keeps_every_exam() -> None:
    assert narrow(EXAMS, SLIDES_MB, None, False, None).tolist() == [""] * 4


def test_participants_and_annotated_exams() -> None:
    reasons = narrow(EXAMS, SLIDES_MB, {"P-a", "P-b"}, True, None)
    assert reasons.tolist() == [NOT_ASKED_FOR, NOT_ANNOTATED, "", NOT_ANNOTATED]


@pytest.mark.parametrize(
    ("max_gb", "kept"),
    [
        (0.149, []),  # the first exam has 100 MB, its participant's slides 50 MB
        (0.150, [3]),
        (0.449, [3]),
        (0.450, [1, 3]),  # the slides are had once
        (0.650, [1, 2, 3]),
        (1.059, [1, 2, 3]),
        (1.060, [0, 1, 2, 3]),
    ],
)
def test_whole_exams_are_taken_in_order_up_to_the_size(max_gb: float, kept: list[int]) -> None:
    reasons = narrow(EXAMS, SLIDES_MB, None, False, max_gb)
    assert reasons.index[reasons.eq("")].tolist() == kept
    assert set(reasons) <= {"", BEYOND_SIZE}


def test_a_small_exam_behind_one_that_is_too_large_is_not_taken() -> None:
    exams = EXAMS.assign(mb=[1.0, 900.0, 1.0, 1.0])
    assert narrow(exams, SLIDES_MB, None, False, 0.5).tolist() == [BEYOND_SIZE, BEYOND_SIZE, BEYOND_SIZE, ""]
