"""The tables of the synthetic cohort: its own, and those under NLST's names and codes."""

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
        np.testing.assert_array_equal(rows.image_label, stored.image_labels)
        np.testing.assert_array_equal(rows.pathology_label, stored.pathology_labels)


def test_scans_name_files_that_exist(tiny_cohort):
    scans = pd.read_csv(tiny_cohort / "scans.csv")
    assert list(scans.columns) == ["patient", "split", "series", "masks"]
    for row in scans.itertuples():
        assert (tiny_cohort / row.series).is_dir() and (tiny_cohort / row.masks).is_file()
    lesions = pd.read_csv(tiny_cohort / "lesions.csv")
    assert len(lesions) == 6 and set(lesions.patient) == set(scans.patient)


def test_cancers_have_their_morphology_and_their_patients_a_positive_screen(tiny_cohort, sections):
    persons = pd.read_csv(tiny_cohort / "tables" / "nlst_prsn.csv").set_index("pid")
    cancers = pd.read_csv(tiny_cohort / "tables" / "nlst_canc.csv")
    with_cancer = set(sections[sections.pathology_label > 0].patient) | set(
        pd.read_csv(tiny_cohort / "lesions.csv").query("label > 0").patient
    )
    assert set(cancers.pid) == with_cancer
    assert set(persons.index[persons.can_scr == 1]) == with_cancer
    assert persons.de_type.notna().sum() == len(with_cancer)
    morphology = {1: 8140, 2: 8070, 3: 8250, 4: 8012, 5: 8041, 6: 8240, 7: 8022, 8: 8046}
    labels = sections[sections.pathology_label > 0].groupby("patient").pathology_label.first()
    for patient, label in labels.items():
        assert persons.loc[patient, "de_type"] == morphology[label]
    assert not cancers.duplicated(["pid", "lc_order"]).any()


def test_abnormalities_carry_nlst_codes(tiny_cohort, sections):
    table = pd.read_csv(tiny_cohort / "tables" / "nlst_ctab.csv")
    lesions = pd.read_csv(tiny_cohort / "lesions.csv")
    assert len(table) == (sections.finding == "nodule").sum() + len(lesions)
    assert set(table.sct_ab_desc) <= {51, 53}
    details = table[table.sct_ab_desc == 51]
    assert set(details.sct_margins) <= {1, 2, 3} and set(details.sct_pre_att) <= {1, 2, 3}
    assert (details.sct_long_dia >= 4).all()
    assert table[table.sct_ab_desc == 53].sct_long_dia.isna().all()
    assert set(table.study_yr) <= {0, 1, 2}
    assert not table.duplicated(["pid", "study_yr", "sct_ab_num"]).any()
