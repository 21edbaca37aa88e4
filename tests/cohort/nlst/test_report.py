"""What a preparation did, reckoned and told."""

import pytest

from lung_ssp.cohort.nlst.report import describe, note, read_journal, report_text, write_report
from lung_ssp.cohort.nlst.series_samples import SeriesResult

DONE = SeriesResult("a", "S-a", "done", samples=3, unplaced=2, seconds=2.0, megabytes=60.0)
QUICK = SeriesResult("b", "S-b", "done", samples=0, seconds=1.0, megabytes=20.0)
EARLIER = SeriesResult("c", "S-c", "done", samples=1, in_tables=False)  # its time is not known any more
FAILED = SeriesResult("d", "S-d", "failed", "gap", "Series <uid> lacks a slice.")


def test_the_figures_are_those_of_the_series_whose_time_is_known():
    figures = describe([DONE, QUICK, EARLIER, FAILED], workers=2)
    assert (figures["abnormalities_without_place"], figures["not_in_tables"]) == (2, 1)
    assert (figures["series"], figures["done"], figures["samples"], figures["failed"]) == (4, 3, 4, {"gap": 1})
    assert (figures["seconds_per_series"], figures["megabytes_per_series"]) == (1.5, 40.0)
    assert figures["projected_hours"] == pytest.approx(1.5 * 4 / 2 / 3600, abs=5e-4)
    assert figures["projected_megabytes_read"] == 160.0


def test_nothing_is_projected_from_nothing():
    figures = describe([EARLIER, FAILED], workers=2)
    assert "projected_hours" not in figures
    assert report_text(figures).splitlines() == [
        "series   2: 1 done, 1 failed",
        "  failed, gap: 1",
        "samples  1",
        "  abnormalities in the tables for which no lesion was found: 0",
        "  series of exams that the tables do not know: 1",
    ]


def test_the_journal_keeps_the_last_result_and_passes_over_a_line_cut_by_a_kill(tmp_path):
    assert read_journal(tmp_path) == {}
    for result in (FAILED, DONE, SeriesResult("d", "S-d", "done", samples=2)):
        note(tmp_path, result)
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('\n{"name": "e", "ser')
    later = SeriesResult("f", "S-f", "done")
    note(tmp_path, later)
    assert read_journal(tmp_path) == {"a": DONE, "d": SeriesResult("d", "S-d", "done", samples=2), "f": later}


def test_a_report_lies_beside_the_samples(tmp_path):
    text = write_report(tmp_path, [DONE, FAILED], workers=1, synthetic=True)
    assert (tmp_path / "report.txt").read_text() == text + "\n"
    assert text.startswith("SYNTHETIC")
    assert (tmp_path / "failed.csv").read_text() == "series,reason,message\nS-d,gap,Series <uid> lacks a slice.\n"
