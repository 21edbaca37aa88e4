"""The synthetic cohort under NLST's names and codes."""

import numpy as np
import pandas as pd
import pydicom
import pytest

from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.nlst.exams import exams_of
from lung_ssp.cohort.nlst.histology import HistologyMap
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.labels import Place, label_places
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.settings import SampleSettings
from lung_ssp.cohort.nlst.tables import read_tables
from lung_ssp.cohort.phantom.simulated_nlst.tables import COLUMNS, LOBES, _lobe, _slice_number, write_nlst_tables

NAMES = Pseudonyms(b"p" * 32)


@pytest.fixture(scope="module")
def tables(tiny_cohort):
    return {name: pd.read_csv(tiny_cohort / "tables" / f"nlst_{name}.csv") for name in COLUMNS}


@pytest.fixture(scope="module")
def sections(tiny_cohort):
    return pd.read_csv(tiny_cohort / "sections.csv")


@pytest.fixture(scope="module")
def lesions(tiny_cohort):
    return pd.read_csv(tiny_cohort / "lesions.csv")


@pytest.fixture(scope="module")
def read(tiny_cohort):
    return read_tables(tiny_cohort / "tables", NAMES)


def test_they_are_read_like_nlsts_without_any_oddity(read, tables):
    assert not any(read.oddities.values()), read.oddities
    assert len(read.persons) == len(tables["prsn"]) and len(read.abnormalities) == len(tables["ctab"])


def test_cancers_have_their_morphology_and_their_patients_a_screen_result(tables, sections, lesions):
    persons, cancers = tables["prsn"].set_index("pid"), tables["canc"]
    with_cancer = set(sections[sections.pathology_label > 0].patient) | set(lesions[lesions.label > 0].patient)
    assert set(cancers.pid) == with_cancer == set(persons.index[persons.can_scr > 0])
    for patient in with_cancer:
        year = int(persons.cancyr[patient])
        assert persons.can_scr[patient] == (1 if persons[f"scr_res{year}"][patient] == 4 else 2)
    assert persons.de_type.notna().sum() == len(with_cancer)
    morphology = {1: 8140, 2: 8070, 3: 8250, 4: 8012, 5: 8041, 6: 8240, 7: 8022, 8: 8046}
    labels = sections[sections.pathology_label > 0].groupby("patient").pathology_label.first()
    for patient, label in labels.items():
        assert persons.loc[patient, "de_type"] == morphology[label]


def test_days_follow_the_years_and_the_diagnosis_follows_the_last_exam(tables):
    days = tables["prsn"][[f"scr_days{year}" for year in range(3)]].to_numpy()
    assert np.nanmin(days[:, 0]) >= 0 and np.nanmax(days[:, 0]) < 60
    assert np.nanmin(days[:, 1]) >= 345 and np.nanmax(days[:, 2]) < 60 + 730 + 45
    persons = tables["prsn"][tables["prsn"].can_scr > 0]
    wait = persons.candx_days - np.nanmax(days[persons.index], axis=1)
    assert ((wait >= 14) & (wait < 200)).all()
    assert tables["prsn"].candx_days.notna().sum() == len(persons)


def test_abnormalities_carry_nlst_codes(tables, sections, lesions):
    table = tables["ctab"]
    assert len(table) == (sections.finding == "nodule").sum() + len(lesions)
    assert set(table.sct_ab_desc) <= {51, 53}
    details = table[table.sct_ab_desc == 51]
    assert set(details.sct_margins) <= {1, 2, 3} and set(details.sct_pre_att) <= {1, 2, 3}
    assert (details.sct_long_dia >= 4).all() and (details.sct_perp_dia <= details.sct_long_dia).all()
    assert table[table.sct_ab_desc == 53].sct_long_dia.isna().all()


def test_what_the_scans_cannot_tell_is_not_written(tables, sections):
    of_sections = tables["ctab"][tables["ctab"].pid.isin(set(sections.patient)) & (tables["ctab"].sct_ab_desc == 51)]
    assert len(of_sections) and set(of_sections.sct_slice_num) == {999} and set(of_sections.sct_epi_loc) == {8}
    persons = tables["prsn"][tables["prsn"].pid.isin(set(sections.patient))]
    locations = persons[[column for column in COLUMNS["prsn"] if column.startswith("loc")]]
    assert locations[persons.can_scr == 0].isna().all(axis=None)
    assert (locations.sum(axis=1) == (persons.can_scr > 0)).all()
    assert (persons.locunk[persons.can_scr > 0] == 1).all()


def test_an_abnormality_names_the_slice_and_the_side_of_its_lesion(tiny_cohort, tables, lesions):
    nodules = tables["ctab"][tables["ctab"].sct_slice_num < 999]
    assert len(nodules)
    for patient, rows in nodules.groupby("pid"):
        heights = {}
        for path in (tiny_cohort / "scans" / patient).glob("*.dcm"):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            heights[int(header.InstanceNumber)] = float(header.ImagePositionPatient[2])
        spacing = (max(heights.values()) - min(heights.values())) / (len(heights) - 1)
        own = lesions[(lesions.patient == patient) & (lesions.calcification != "central")]
        for row, lesion in zip(rows.itertuples(), own.itertuples(), strict=True):
            assert abs(heights[row.sct_slice_num] - lesion.z_mm) <= spacing / 2 + 0.01
            assert (row.sct_epi_loc in {1, 2, 3}) == (lesion.x_mm < 0)


def test_comparisons_look_back_at_the_same_lesion(tables, sections):
    table = tables["ctabc"]
    assert set(table.columns) == set(COLUMNS["ctabc"]) and (table.study_yr > 0).all()
    seen_before = sections[sections.finding == "nodule"].duplicated(["patient", "lesion"]).sum()
    assert (table.sct_ab_preexist == 2).sum() == seen_before > 0
    assert (table.visible_days.notna() == (table.sct_ab_preexist == 2)).all()


def test_samples_made_from_tables_and_masks_have_the_true_labels(tiny_cohort, read, lesions):
    """Whatever label the rules give is the truth; what they withhold is the price."""
    exams = exams_of(read, HistologyMap.read())
    rule, given = ImageRule.read("nine_classes"), 0
    settings = SampleSettings(cancer_location="any")
    for patient, own in lesions.groupby("patient"):
        with np.load(tiny_cohort / "scans" / f"{patient}.npz") as arrays:
            masks = arrays["lesions"]
        places = []
        for row in own.itertuples():
            widest = int((masks == row.lesion).sum(axis=(1, 2)).argmax())
            places.append(Place("mask:truth", len(masks) - widest, "right" if row.x_mm < 0 else "left"))
        exam = exams[NAMES.participant(patient), int(own.study_yr.iloc[0])]
        for sample in label_places(exam, places, settings, rule):
            assert sample.pathology_label in (MISSING, own.label.iloc[sample.place]), sample
            given += sample.pathology_label != MISSING
    assert given


def test_the_lobe_follows_from_side_and_height():
    lungs = np.zeros((12, 4, 10), dtype=bool)
    lungs[3:12, :, 1:4] = lungs[0:9, :, 6:9] = True  # the right lung stands higher
    spacing, origin = np.array([2.0, 1.0, 1.0]), np.array([-4.5, 0.0, 100.0])

    def lobe(x: float, z: float) -> int:
        return _lobe(lungs, spacing, origin, np.array([x, 0.0, z]))[0]

    assert [lobe(-2, z) for z in (106, 110, 113, 118, 122)] == [3, 3, 2, 1, 1]  # the right lung: 106 to 122 mm
    assert [lobe(2, z) for z in (100, 104, 107, 112, 116)] == [6, 6, 5, 4, 4]  # the left lung: 100 to 116 mm
    assert [lobe(-2, z) for z in (90, 200)] == [3, 1]
    assert [code for code, _, _ in LOBES["right"] + LOBES["left"]] == [3, 2, 1, 6, 5, 4]


def test_the_slice_number_counts_from_the_head():
    spacing, origin = np.array([2.0, 1.0, 1.0]), np.array([0.0, 0.0, -10.0])
    heights = (-10.0, -8.9, 0.0, 8.0, 50.0, -50.0)
    numbers = [_slice_number(10, spacing, origin, np.array([0.0, 0.0, z])) for z in heights]
    assert numbers == [10, 9, 5, 1, 1, 10]


def test_a_cohort_without_patients_still_has_its_columns(tmp_path):
    write_nlst_tables(tmp_path, [], [], seed=0)
    for name, columns in COLUMNS.items():
        assert (tmp_path / "tables" / f"nlst_{name}.csv").read_text() == ",".join(columns) + "\n"
    assert len(read_tables(tmp_path / "tables", NAMES).persons) == 0
