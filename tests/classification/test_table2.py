"""The paper's Table 2 and a run's log beside it."""

from pathlib import Path

import pytest

from lung_ssp.classification.table2 import COLUMNS, paper_rows, read_log, save_plot, side_by_side
from lung_ssp.errors import CheckpointError

RUN = "global_step_value,epoch,loss_total_value,accuracy_train_value,accuracy_test_value\n100,2,3.5,0.5,0.25\n"


def test_the_papers_rows_are_its_own_digits() -> None:
    rows = paper_rows()
    assert len(rows) == 14
    assert [row["epoch"] for row in rows] == list(range(2, 29, 2))
    assert rows[0] == dict(zip(COLUMNS, (100, 2, 3.6882436, 0.6289062, 0.5558441), strict=True))
    assert rows[-1]["accuracy_test_value"] == 0.6314935


def test_the_papers_accuracies_are_multiples_of_1_256_and_1_3080() -> None:
    for row in paper_rows():
        assert row["accuracy_train_value"] * 256 == pytest.approx(round(row["accuracy_train_value"] * 256), abs=2e-4)
        if row["global_step_value"] != 700:  # two digits changed places in the paper
            test = row["accuracy_test_value"] * 3080
            assert test == pytest.approx(round(test), abs=2e-3)


def test_both_stand_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "table2.csv").write_text(RUN)
    text = side_by_side(read_log(tmp_path / "table2.csv"), paper_rows(), "SYNTHETIC")
    lines = text.splitlines()
    assert "SYNTHETIC" in lines[0]
    first = next(line for line in lines if line.strip().startswith("100 "))
    expected = "100 2 2 | 3.6882436 3.5000000 | 0.6289062 0.5000000 | 0.5558441 0.2500000"
    assert " ".join(first.split()) == expected
    second = next(line for line in lines if line.strip().startswith("200 "))
    assert second.split()[1:3] == ["4", "-"]


@pytest.mark.slow
def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    save_plot(paper_rows(), paper_rows(), "SYNTHETIC", tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("content", [None, "a,b\n1,2\n"])
def test_a_log_that_is_none_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "table2.csv").write_text(content)
    with pytest.raises(CheckpointError, match=r"table2\.csv"):
        read_log(tmp_path / "table2.csv")
