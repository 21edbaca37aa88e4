"""What a sample's file is named by: everything it depends on, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from lung_ssp.cohort.annotations.box_files import MarkedBox
from lung_ssp.cohort.nlst.exams import Abnormality, Exam
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.jobs import SeriesJob, make_jobs
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.settings import SeriesSettings

EXAM = Exam("P-1", 1, exam_day=10, can_scr=0, candx_days=None, abnormalities=(), cancers=())
BOX = MarkedBox("1.2.3", "1.2.3.4", None, 1.0, 2.0, 3.0, 4.0, fractions=False)
RULE = ImageRule.read("nine_classes")


def plan_of(**mask: str) -> pd.DataFrame:
    ct = {
        "role": "ct",
        "participant": "P-1",
        "study_year": 1,
        "series_uid": "1.2.3",
        "study_uid": "1.2",
        "size_mb": 5.0,
        "instances": 3,
    }
    rows = [{**ct, "source": ""}]
    for role, uid in mask.items():
        rows.append({**ct, "role": role, "series_uid": uid, "source": "somebody"})
    return pd.DataFrame(rows)


def job_with(images: Path, **changes) -> SeriesJob:
    arguments = {
        "plan": plan_of(),
        "images": images,
        "exams": {("P-1", 1): EXAM},
        "boxes": {"sybil": {"1.2.3": (BOX,)}},
        "settings": SeriesSettings(),
        "rule": RULE,
        "candidates": "",
        "pseudonyms": Pseudonyms(bytes(32)),
    }
    (job,) = make_jobs(**{**arguments, **changes})
    return job


def test_the_same_makes_the_same_name_and_tells_nothing(tmp_path):
    job = job_with(tmp_path)
    assert job.name == job_with(tmp_path).name == job_with(tmp_path / "elsewhere").name
    assert len(job.name) == 32 and "1.2.3" not in job.name + repr(job)
    assert (job.folder, job.exam, job.boxes["sybil"]) == (tmp_path / "1.2.3", EXAM, (BOX,))


CHANGES = {
    "a section's size": {"settings": SeriesSettings.model_validate({"section": {"size": 32}})},
    "what is corrected": {"settings": SeriesSettings.model_validate({"reading": {"accept": ["gaps"]}})},
    "the image rule": {"rule": ImageRule.read("appearance")},
    "what the tables say": {"exams": {("P-1", 1): replace(EXAM, abnormalities=(Abnormality(1, 51),))}},
    "an exam that the tables do not know": {"exams": {}},
    "a box": {"boxes": {"sybil": {"1.2.3": (replace(BOX, width=3.5),)}}},
    "a mask": {"plan": plan_of(lesion_mask="1.2.9")},
    "who finds candidates": {"candidates": "0123"},
    "the salt": {"pseudonyms": Pseudonyms(b"1" * 32)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_it_depends_on_changes_the_name(change, tmp_path):
    assert job_with(tmp_path, **CHANGES[change]).name != job_with(tmp_path).name


def test_lobes_count_from_when_they_are_there(tmp_path):
    planned = plan_of(lung_mask="1.2.8")
    without = job_with(tmp_path, plan=planned)
    assert without.lung_masks == () and without.name == job_with(tmp_path).name
    (tmp_path / "1.2.8").mkdir()
    with_lobes = job_with(tmp_path, plan=planned)
    assert with_lobes.lung_masks == (("somebody", tmp_path / "1.2.8"),)
    assert with_lobes.name != without.name
