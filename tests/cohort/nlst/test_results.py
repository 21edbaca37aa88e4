"""The numbers of a preparation, of a download and of samples, and their texts."""

import pandas as pd
import pytest

from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.cohort.idc.amounts import Amount, DownloadResult, download_text
from lung_ssp.cohort.nlst.results import PreparationFigures, SeriesResult
from lung_ssp.cohort.nlst.text import figures_text, oddities_text, samples_text, source_kind

DONE = SeriesResult("a", "S-a", "done", samples=3, unplaced=2, seconds=2.0, megabytes=60.0)
QUICK = SeriesResult("b", "S-b", "done", samples=0, seconds=1.0, megabytes=20.0)
EARLIER = SeriesResult("c", "S-c", "done", samples=1, in_tables=False)  # its time is not known any more
NINE = {"image": CLASS_NAMES, "pathology": CLASS_NAMES}
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


def test_counts_by_class_and_source() -> None:
    frame = pd.DataFrame(
        {
            "position_source": ["mask:nlstseg", "mask:nlstseg", "candidate"],
            "image_label": [1, 1, -1],
            "image_source": ["nlst_ctab 51 #1", "nlst_ctab 51 #12", "none"],
            "pathology_label": [-1, 6, 0],
            "pathology_source": ["withheld: lobe disagrees", "nlst_canc #1", "can_scr=0"],
        }
    )
    assert samples_text(frame, NINE).split("\n") == [
        "3 samples",
        "",
        "position      samples",
        "candidate           1",
        "mask:nlstseg        2",
        "",
        "image label       source        samples",
        "(no label)        none                1",
        "1 adenocarcinoma  nlst_ctab 51        2",
        "",
        "pathology label    source                    samples",
        "(no label)         withheld: lobe disagrees        1",
        "0 normal           can_scr=0                       1",
        "6 carcinoid tumor  nlst_canc                       1",
    ]
    assert "1 smooth" in samples_text(frame, {"image": ("none", "smooth")})


def test_no_samples() -> None:
    columns = ["position_source", "image_label", "image_source", "pathology_label", "pathology_source"]
    assert samples_text(pd.DataFrame(columns=columns), NINE).startswith("0 samples\n")


def test_a_source_without_its_number() -> None:
    assert source_kind("nlst_ctab 51 #2") == "nlst_ctab 51"
    assert source_kind("withheld: diagnosis more than 365 days after the exam").endswith("365 days after the exam")
