"""The synthetic cohort's own tables."""

import numpy as np
import pandas as pd
import pytest

from lung_ssp.cohort.store import SPLITS, read_sections


@pytest.fixture(scope="module")
def sections(tiny_cohort):
    return pd.read_csv(tiny_cohort / "sections.csv")


def test_sections_stand_in_the_order_of_the_files(tiny_cohort, sections):
    for split in SPLITS:
        stored, rows = read_sections(tiny_cohort, split), sections[sections.split == split]
        np.testing.assert_array_equal(rows.patient.to_numpy(str), stored.patients)
        np.testing.assert_array_equal(rows.image_label, stored.labels["image"])
        np.testing.assert_array_equal(rows.pathology_label, stored.labels["pathology"])


def test_scans_name_files_that_exist(tiny_cohort):
    scans = pd.read_csv(tiny_cohort / "scans.csv")
    assert list(scans.columns) == ["patient", "split", "series", "masks"]
    for row in scans.itertuples():
        assert (tiny_cohort / row.series).is_dir() and (tiny_cohort / row.masks).is_file()
    lesions = pd.read_csv(tiny_cohort / "lesions.csv")
    assert len(lesions) == 6 and set(lesions.patient) == set(scans.patient)
