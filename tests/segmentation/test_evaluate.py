"""Test scans from DICOM files to the figures of metrics.json."""

from functools import partial

import cv2
import numpy as np
import paddle
import pytest

from lung_ssp.candidates import froc
from lung_ssp.candidates.froc import FALSE
from lung_ssp.candidates.settings import FalsePositiveSettings
from lung_ssp.candidates.trained import CandidateJudge
from lung_ssp.cohort.scans import read_scans
from lung_ssp.config import load_config
from lung_ssp.ct.lesion import Candidate, lesion_from_mask
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import NOT_COUNTED
from lung_ssp.errors import CohortError
from lung_ssp.segmentation.predict import probability_of_images
from lung_ssp.segmentation.real_nodules import evaluate_real_nodules
from lung_ssp.segmentation.scan_evaluation import evaluate_test_scans, scan_lines, scored_scan
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.training.run import BestCheckpoint


class AboveWater(paddle.nn.Layer):
    """Calls nodule what is denser than -300 HU: the middle of the window."""

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        return [paddle.concat([0.5 - x, x - 0.5], axis=1) * 100]


ABOVE_WATER = partial(probability_of_images, AboveWater())


@pytest.fixture
def settings(shipped_tree):
    for dataset in ("train_dataset", "val_dataset"):
        shipped_tree[dataset]["type"] = "SingleNoduleSlices"
    shipped_tree["model"]["in_channels"] = 1
    shipped_tree["slices"]["window_hu"] = [-1000.0, 400.0]
    return SegmentationSettings.model_validate(shipped_tree)


@pytest.fixture(scope="module")
def scan_cohort(tmp_path_factory, make_small_scans):
    """A cohort with one small test scan and three lesions."""
    return make_small_scans(tmp_path_factory.mktemp("cohorts") / "phantom", [0, 0, 1], {"carcinoid": 2})


@pytest.mark.slow
def test_measures_by_scan_and_by_lesion(scan_cohort, settings, tmp_path):
    metrics = evaluate_test_scans(ABOVE_WATER, settings, scan_cohort, tmp_path / "figures")
    (scan,) = read_scans(scan_cohort)
    lesions = len(np.unique(scan.lesions())) - 1
    assert "SYNTHETIC" in metrics.cohort and "fingerprint" in metrics.cohort
    assert (metrics.scans, metrics.lesions) == (1, lesions)
    assert 0 < metrics.dice_per_scan.mean < 1  # lesions are found, and so are vessels and the edge of the mask
    assert len(metrics.dice_per_lesion.values) == lesions
    result = metrics.by_scan[0]
    assert result.patient == scan.patient and sorted(result.dice_by_lesion) == list(range(1, lesions + 1))
    assert len(result.found) + len(result.missed) == lesions
    assert metrics.lesion_sensitivity == pytest.approx(len(result.found) / lesions)
    assert metrics.false_candidates_per_scan == result.false_candidates
    assert cv2.imread(str(tmp_path / "figures" / f"{scan.patient}.png")).shape[2] == 3


@pytest.mark.slow
def test_the_second_stage_is_measured_beside_it(scan_cohort, settings, tmp_path):
    """A stage that calls a nodule what is densest in the middle of its patch, and drops what is not above -300 HU."""
    own = ["candidates.threshold=0.5"]
    tree = load_config("candidates/false_positives.yml", FalsePositiveSettings, own).settings
    checkpoint = BestCheckpoint(1, "auc", 0.5, "00ff")
    judge = CandidateJudge(
        tree, checkpoint, lambda patches: patches[:, 2, 22:26, 22:26].mean(axis=(1, 2)).astype(float)
    )
    plain = evaluate_test_scans(ABOVE_WATER, settings, scan_cohort, tmp_path / "plain")
    both = evaluate_test_scans(ABOVE_WATER, settings, scan_cohort, tmp_path / "both", judge)
    assert plain.judged is None and plain.froc == both.froc
    assert both.judged.weights == "00ff" and both.judged.threshold == 0.5
    assert both.judged.lesion_sensitivity <= both.lesion_sensitivity
    assert both.judged.false_candidates_per_scan <= both.false_candidates_per_scan
    assert both.judged.froc.lesions == both.froc.lesions == both.lesions
    text = "\n".join(scan_lines(both))
    assert "with the second stage (00ff), candidates below 0.5 dropped" in text
    assert text.count("at 1/8, 1/4, 1/2, 1, 2, 4, 8 false candidates a scan") == 2


def test_candidates_count_by_the_radius_of_the_lesion_and_not_where_nothing_is_known():
    lesions = np.zeros((20, 40, 40), np.uint8)
    lesions[8:12, 10:14, 10:14] = 1
    lesions[:, 30:] = NOT_COUNTED
    volume = Volume(np.zeros(lesions.shape, np.int16), (1.0, 1.0, 1.0), origin=(5.0, -5.0, 100.0))

    def candidate(z: int, y: int, x: int) -> Candidate:
        mask = np.zeros(lesions.shape, bool)
        mask[z, y, x] = True
        return Candidate(lesion_from_mask(mask, volume), 0.1 * x / 10, 0.0)

    # its sphere of 64 cubic millimetres has a radius of 2.48 mm around (9.5, 11.5, 11.5)
    found = [candidate(10, 12, 12), candidate(10, 12, 13), candidate(10, 14, 14), candidate(5, 35, 20)]
    scored = scored_scan(found, lesions, volume, lambda one: one.score)
    assert scored.lesions == 1 and scored.hits.tolist() == [0, 0, FALSE, froc.NOT_COUNTED]
    assert scored.scores.tolist() == pytest.approx([0.12, 0.13, 0.14, 0.2])
    assert scored_scan([], lesions, volume, lambda one: one.score).hits.tolist() == []


def test_a_cohort_without_test_scans_is_refused(slice_cohort, settings, tmp_path):
    with pytest.raises(CohortError, match="no test scan"):
        evaluate_test_scans(ABOVE_WATER, settings, slice_cohort, tmp_path / "figures")


@pytest.mark.slow
def test_cubes_with_nodules(settings, tmp_path):
    z, y, x = np.indices((31, 31, 31)) - 15
    ball = z**2 + y**2 + x**2 < 10**2
    cubes = np.where(ball, 50, -850).astype(np.int16)[np.newaxis]
    np.savez(tmp_path / "cubes.npz", hu=cubes, mask=ball[np.newaxis])
    metrics = evaluate_real_nodules(ABOVE_WATER, settings, tmp_path / "cubes.npz", tmp_path / "cubes.png", "SYNTHETIC")
    assert metrics.name == "real LIDC nodules, never trained on"
    assert metrics.nodules == 1 and metrics.touched == 1
    assert metrics.dice_per_nodule.mean > 0.9
    assert "CC BY 3.0" in metrics.licence and "LIDC" in metrics.citation
    assert cv2.imread(str(tmp_path / "cubes.png")) is not None


def test_cubes_of_patients_that_were_learned_from_are_left_out(settings, tmp_path):
    cubes, ball = np.full((2, 31, 31, 31), -850, np.int16), np.zeros((2, 31, 31, 31), bool)
    ball[:, 10:20, 10:20, 10:20] = True
    cubes[1][ball[1]] = 50  # of the first nothing is to be found
    np.savez(tmp_path / "cubes.npz", hu=cubes, mask=ball)
    (tmp_path / "lidc_nodules_3d.csv").write_text("Filename,patient\na,7\nb,12\n")

    def measured(*learned: str):
        files = tmp_path / "cubes.npz", tmp_path / "cubes.png"
        return evaluate_real_nodules(ABOVE_WATER, settings, *files, "real", learned)

    other = measured("LIDC-IDRI-0007")
    assert (other.nodules, other.left_out, other.touched) == (1, 1, 1)
    with pytest.raises(CohortError, match=r"learned from every patient of .*cubes"):
        measured("LIDC-IDRI-0007", "LIDC-IDRI-0012")
    (tmp_path / "lidc_nodules_3d.csv").write_text("Filename,patient\na,7\n")
    with pytest.raises(CohortError, match="has 1 rows, the file beside it 2 cubes: copy"):
        measured("LIDC-IDRI-0007")
    (tmp_path / "lidc_nodules_3d.csv").write_text("Filename,patient\na,me\nb,8\n")
    with pytest.raises(CohortError, match=r"lidc_nodules_3d\.csv, line 2: patient is .*me"):
        measured("LIDC-IDRI-0007")
    (tmp_path / "lidc_nodules_3d.csv").unlink()
    with pytest.raises(CohortError, match=r"lidc_nodules_3d\.csv, which says whose the cubes are, is missing"):
        measured("LIDC-IDRI-0007")


def test_a_broken_file_of_cubes_is_named(settings, tmp_path):
    (tmp_path / "cubes.npz").write_bytes(b"nothing")
    with pytest.raises(CohortError, match=r"cubes\.npz cannot be read"):
        evaluate_real_nodules(ABOVE_WATER, settings, tmp_path / "cubes.npz", tmp_path / "cubes.png", "SYNTHETIC")


def test_real_nodules_have_the_form_that_is_expected(settings, shared_data, tmp_path):
    with np.load(shared_data / "lidc-nodules" / "lidc_nodules_3d.npz") as arrays:
        some = {"hu": arrays["hu"][:4], "mask": arrays["mask"][:4]}
    np.savez(tmp_path / "some.npz", **some)
    metrics = evaluate_real_nodules(ABOVE_WATER, settings, tmp_path / "some.npz", tmp_path / "some.png", "SYNTHETIC")
    assert metrics.nodules == 4
    assert metrics.touched >= 0.75  # what is denser than -300 HU meets nearly every solid nodule
