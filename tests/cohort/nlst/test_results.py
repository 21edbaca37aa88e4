"""The numbers of a preparation and of a download."""

import pytest

from lung_ssp.cohort.nlst.results import Amount, DownloadResult, PreparationFigures, SeriesResult
from lung_ssp.cohort.nlst.text import download_text, figures_text, oddities_text

DONE = SeriesResult("a", "S-a", "done", samples=3, unplaced=2, seconds=2.0, megabytes=60.0)
QUICK = SeriesResult("b", "S-b", "done", samples=0, seconds=1.0, megabytes=20.0)
EARLIER = SeriesResult("c", "S-c", "done", samples=1, in_tables=False)  # its time is not known any more
FAILED = SeriesResult("d", "S-d", "failed", "gap", "Series <uid> lacks a slice.")


def test_the_figures_are_those_of_the_series_whose_time_is_known():
    figures = PreparationFigures.of([DONE, QUICK, EARLIER, FAILED], workers=2)
    assert (figures.abnormalities_without_place, figures.not_in_tables) == (2, 1)
    assert (figures.series, figures.done, figures.samples, figures.failed) == (4, 3, 4, {"gap": 1})
    assert (figures.seconds_per_series, figures.megabytes_per_series) == (1.5, 40.0)
    assert figures.projected_hours == pytest.approx(1.5 * 4 / 2 / 3600, abs=5e-4)
    assert figures.projected_megabytes_read == 160.0
    assert figures_text(figures, synthetic=True).splitlines() == [
        "SYNTHETIC series, no patients",
        "series   4: 3 done, 1 failed",
        "  failed, gap: 1",
        "samples  4",
        "  abnormalities in the tables for which no lesion was found: 2",
        "  series of exams that the tables do not know: 1",
        "per series  1.50 s, 40.0 MB",
        "the plan's 4 series with 2 workers: 0.00 hours, 160.0 MB read",
    ]


def test_nothing_is_projected_from_nothing():
    figures = PreparationFigures.of([EARLIER, FAILED], workers=2)
    assert figures.projected_hours is None
    assert "projected_hours" not in figures.as_json()
    assert figures_text(figures, synthetic=False).splitlines() == [
        "series   2: 1 done, 1 failed",
        "  failed, gap: 1",
        "samples  1",
        "  abnormalities in the tables for which no lesion was found: 0",
        "  series of exams that the tables do not know: 1",
    ]


def test_only_oddities_that_occur_are_told():
    assert oddities_text({"odd": 0, "strange": 2}) == "tables\n  strange: 2"
    assert oddities_text({"odd": 0}) == "tables   nothing odd"


def test_a_dry_run_is_told_with_the_space():
    roles = {"lesion_mask": Amount(0, 0.0), "lung_mask": Amount(0, 0.0), "slide": Amount(1, 700.0)}
    result = DownloadResult({"ct": Amount(1200, 96e3), **roles}, {"ct": Amount(2, 160.5), **roles}, 5e3, 10.0, False)
    assert download_text(result).splitlines() == [
        "ct           there and checked    1,200 series       96.0 GB",
        "             to fetch                 2 series      160.5 MB",
        "lesion_mask  there and checked        0 series        0.0 MB",
        "             to fetch                 0 series        0.0 MB",
        "lung_mask    there and checked        0 series        0.0 MB",
        "             to fetch                 0 series        0.0 MB",
        "slide        there and checked        1 series      700.0 MB",
        "             to fetch                 1 series      700.0 MB",
        "860.5 MB to fetch, 5.0 GB free, of which 10 GB are kept",
        "The disk is too small.",
        "Dry run: nothing was fetched.",
    ]
