"""The journal and the report of a preparation."""

import pytest

from lung_ssp.cohort.nlst.plan_to_cohort import write_report
from lung_ssp.cohort.nlst.results import PreparationFigures, SeriesResult
from lung_ssp.cohort.nlst.series_preparation import read_journal, record
from lung_ssp.cohort.nlst.text import figures_text
from lung_ssp.files import read_json

DONE = SeriesResult("a", "S-a", "done", samples=3, unplaced=2, seconds=2.0, megabytes=60.0)
FAILED = SeriesResult("d", "S-d", "failed", "gap", "Series <uid> lacks a slice.")


def test_the_journal_keeps_the_last_result_and_ignores_a_line_cut_by_a_kill(tmp_path):
    assert read_journal(tmp_path) == {}
    for result in (FAILED, DONE, SeriesResult("d", "S-d", "done", samples=2)):
        record(tmp_path, result)
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('\n{"name": "e", "ser')
    later = SeriesResult("f", "S-f", "done")
    record(tmp_path, later)
    assert read_journal(tmp_path) == {"a": DONE, "d": SeriesResult("d", "S-d", "done", samples=2), "f": later}


def test_a_journal_of_other_values_is_read_without_them(tmp_path):
    record(tmp_path, DONE)
    with (tmp_path / "journal.jsonl").open("ab") as file:
        for line in (
            b'{"name": 5}',
            b"[1]",
            b"\xff",
            b'{"name": "x", "series": "S", "status": "done", "samples": "many"}',
        ):
            file.write(b"\n" + line)
        file.write(b"\n" + b"[" * 100_000)
        file.write(b'\n{"name": "x", "series": "S", "status": "done", "samples": ' + b"9" * 5000 + b"}")
    assert read_journal(tmp_path) == {"a": DONE}


def test_the_journal_is_never_written_through_a_link(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / "journal.jsonl").symlink_to(mine)
    with pytest.raises(OSError, match="symbolic links") as error:
        record(tmp_path, DONE)
    assert error.value.filename == str(tmp_path / "journal.jsonl")
    assert mine.read_text() == "mine"


def test_a_report_lies_beside_the_samples(tmp_path):
    figures = PreparationFigures.of([DONE, FAILED], workers=1)
    write_report(
        tmp_path, [DONE, FAILED], {"synthetic": True, **figures.as_json()}, figures_text(figures, synthetic=True)
    )
    text = (tmp_path / "report.txt").read_text()
    assert text == figures_text(figures, synthetic=True) + "\n"
    assert text.startswith("SYNTHETIC")
    assert read_json(tmp_path / "report.json") == {"synthetic": True, **figures.as_json()}
    assert (tmp_path / "failed.csv").read_text() == "series,reason,message\nS-d,gap,Series <uid> lacks a slice.\n"
