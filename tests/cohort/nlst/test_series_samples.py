"""One series to its samples: on a real CT, and what is kept of an error."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from lung_ssp.cohort.annotations.box_files import MarkedBox
from lung_ssp.cohort.nlst.exams import Abnormality, Exam
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.jobs import SeriesJob
from lung_ssp.cohort.nlst.plan_to_cohort import read_nlst
from lung_ssp.cohort.nlst.series_preparation import SeriesWork, without_identifiers
from lung_ssp.cohort.nlst.series_samples import make_samples, marked_regions
from lung_ssp.cohort.nlst.settings import SeriesSettings
from lung_ssp.cohort.store import load_arrays
from lung_ssp.ct.section import make_section
from lung_ssp.ct.series import open_series
from lung_ssp.errors import CohortError

RULE = ImageRule.read("nine_classes")


def job_of(folder: Path, series_uid: str, boxes: tuple[MarkedBox, ...], exam: Exam | None) -> SeriesJob:
    return SeriesJob(
        name="one",
        pseudonym="S-0",
        participant="P-0",
        study_year=0,
        series_uid=series_uid,
        folder=folder,
        files=1,
        megabytes=1.0,
        exam=exam,
        lesion_masks=(),
        lung_masks=(),
        boxes={"sybil": boxes},
    )


def exam_with(*abnormalities: Abnormality) -> Exam:
    return Exam("P-0", 0, exam_day=10, can_scr=0, candx_days=None, abnormalities=abnormalities, cancers=())


def test_a_box_on_a_real_ct_gives_the_section_of_its_nodule(lidc_series, shared_data, tmp_path):
    series = open_series(lidc_series)
    volume = series.volume
    truth = load_arrays(shared_data / "lidc-idri" / "LIDC-IDRI-0001_nodules.npz", ["labels"])["labels"] > 0
    boxes = []
    for z in np.flatnonzero(truth.any(axis=(1, 2))):
        rows, columns = ndimage.find_objects(truth[z])[0]
        size = columns.stop - columns.start, rows.stop - rows.start
        sop = series.slices[z].sop_uid
        boxes.append(MarkedBox(volume.series_uid, sop, None, columns.start, rows.start, *size, fractions=False))
    widest = int(np.count_nonzero(truth, axis=(1, 2)).argmax())
    nodule = Abnormality(1, 51, "LUL", series.slices[widest].instance_number, margins="spiculated")
    job = job_of(lidc_series, volume.series_uid, tuple(boxes), exam_with(nodule))
    settings = SeriesSettings()
    assert make_samples(job, tmp_path, settings, RULE, None) == (1, 0)
    arrays = load_arrays(job.samples_in(tmp_path), ["images", "pathology_labels"])
    expected = make_section(volume.hu, volume.spacing, truth, settings.section)
    assert arrays["pathology_labels"].tolist() == [0]
    # the box's centre is the nodule's within two pixels of 2 mm, so the two pictures are much alike
    shifts = [ndimage.shift(expected, (dy, dx), order=1) for dy in range(-2, 3) for dx in range(-2, 3)]
    assert max(np.corrcoef(arrays["images"][0].ravel(), shift.ravel())[0, 1] for shift in shifts) > 0.95


def test_an_error_is_told_without_paths_and_uids(tmp_path):
    folder = tmp_path / "1.2.840.113654.2.55.123"
    job = job_of(folder, "1.2.840.113654.2.55.123", (), None)
    sentence = f"{folder}/a/000003.dcm (series 1.2.840.113654.2.55.123, slice 2.25.33862441) is 2 mm wide: correct it."
    assert without_identifiers(sentence, job) == "<file> (series <uid>, slice <uid>) is 2 mm wide: correct it."


@pytest.mark.parametrize("content", [None, b"not DICOM"])
def test_a_series_that_cannot_be_read_is_a_result(tmp_path, content):
    folder = tmp_path / "series"
    folder.mkdir()
    if content is not None:
        (folder / "1.dcm").write_bytes(content)
    result = SeriesWork(tmp_path / "out", SeriesSettings(), RULE, None)(job_of(folder, "1.2.3", (), None))
    assert (result.status, result.samples) == ("failed", 0)
    assert result.reason == ("not found" if content is None else "foreign file")
    assert str(tmp_path) not in result.message
    assert not list((tmp_path / "out").glob("*"))


def test_of_several_segmentations_the_one_of_this_series_counts(plan_nlst, tmp_path):
    jobs = read_nlst(plan_nlst(tmp_path)).jobs
    one, other = (job for job in jobs if job.lesion_masks)
    settings = SeriesSettings()
    series = open_series(one.folder)
    alone = marked_regions(one, series, settings)
    both = marked_regions(replace(one, lesion_masks=(*other.lesion_masks, *one.lesion_masks)), series, settings)
    assert [region.lesion.box for region in both] == [region.lesion.box for region in alone]
    with pytest.raises(CohortError, match="a segmentation of another series"):
        marked_regions(replace(one, lesion_masks=other.lesion_masks), series, settings)
    with pytest.raises(CohortError, match="does not exist"):
        marked_regions(replace(one, lesion_masks=(("nlstseg", tmp_path / "none"),)), series, settings)
