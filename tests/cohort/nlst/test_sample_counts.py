"""Counts of samples as a text table."""

import pandas as pd
import pytest

from lung_ssp.cohort.nlst.sample_counts import describe_samples, source_kind
from lung_ssp.errors import CohortError


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
    assert describe_samples(frame).split("\n") == [
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
        "",
    ]
    assert "1 smooth" in describe_samples(frame, ("none", "smooth"))


def test_no_samples_and_missing_columns() -> None:
    columns = ["position_source", "image_label", "image_source", "pathology_label", "pathology_source"]
    assert describe_samples(pd.DataFrame(columns=columns)).startswith("0 samples\n")
    with pytest.raises(CohortError, match="no column image_source"):
        describe_samples(pd.DataFrame(columns=["position_source", "image_label"]))


def test_a_source_without_its_number() -> None:
    assert source_kind("nlst_ctab 51 #2") == "nlst_ctab 51"
    assert source_kind("withheld: diagnosis more than 365 days after the exam").endswith("365 days after the exam")
