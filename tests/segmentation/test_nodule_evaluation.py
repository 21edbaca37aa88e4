"""Single nodules in their readers' form, through a network, to the figures of a run."""

from functools import partial

import cv2
import numpy as np
import paddle
import pytest

from lung_ssp.cohort.nodules.store import read_nodules
from lung_ssp.errors import CohortError
from lung_ssp.segmentation.nodule_evaluation import evaluate_nodules, learned_patients, segment_nodule
from lung_ssp.segmentation.predict import probability_of_images, segment_nodules
from lung_ssp.segmentation.settings import SegmentationSettings


class MiddleAboveWater(paddle.nn.Layer):
    """Calls nodule what is denser than -300 HU in the middle of three slices."""

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        middle = x[:, 1:2]
        return [paddle.concat([0.5 - middle, middle - 0.5], axis=1) * 100]


PREDICT = partial(probability_of_images, MiddleAboveWater())


@pytest.fixture
def settings(shipped_tree):
    shipped_tree["slices"]["spacing_mm"] = [2.0, 0.8, 0.8]
    return SegmentationSettings.model_validate(shipped_tree)


def test_patients_that_were_learned_from_are_left_out(nodule_cohort, slice_cohort):
    assert learned_patients([nodule_cohort]) == {f"patient-{seed}" for seed in range(5)}


def test_the_mask_lies_on_the_nodules_own_grid(nodule_cohort, settings):
    nodule = read_nodules(nodule_cohort, "test")[0]
    mask = segment_nodule(PREDICT, settings, nodule)
    assert mask.shape == nodule.hu.shape and mask.dtype == bool
    overlap = 2 * (mask & nodule.majority).sum() / (mask.sum() + nodule.majority.sum())
    assert overlap > 0.95  # but for the grid's 0.8 mm


def test_nodules_of_other_patients_are_measured(nodule_cohort, settings, tmp_path):
    figure = tmp_path / "nodules.png"
    metrics = evaluate_nodules(PREDICT, settings, nodule_cohort, learned_patients([nodule_cohort]), figure)
    assert [nodule.patient for nodule in metrics.by_nodule] == ["patient-5", "patient-6"]
    assert metrics.left_out == 1 and metrics.synthetic and metrics.fingerprint == "votes-0"
    assert (metrics.licence, metrics.citation, metrics.threshold) == ("free", "the tests", 0.5)
    assert metrics.which == "split test; fold 2; of patients that the run has not learned from"
    four, three = metrics.by_nodule
    assert (four.readers, four.slices, four.texture, four.readers_dice, four.touched) == (4, 5, 1.0, 0.75, True)
    assert three.readers == 3 and three.readers_dice is None
    # of three readers two mark the ball, of four three do: both majorities are the ball that the network finds
    assert min(four.dice, three.dice) > 0.95
    assert cv2.imread(str(figure)) is not None


def test_what_does_not_touch_the_nodule_counts_apart(nodule_cohort, settings, tmp_path):
    def with_a_corner(images: np.ndarray) -> np.ndarray:
        found = PREDICT(images)
        found[:, :4, :4] = 1
        return found

    metrics = evaluate_nodules(with_a_corner, settings, nodule_cohort, set(), tmp_path / "nodules.png")
    assert all(nodule.dice > 0.95 > nodule.dice_of_all > 0 for nodule in metrics.by_nodule)


def test_a_nodule_that_is_missed_counts_as_nought(nodule_cohort, settings, tmp_path):
    def nothing(images: np.ndarray) -> np.ndarray:
        return np.zeros((len(images), *images.shape[2:]), np.float32)

    metrics = evaluate_nodules(nothing, settings, nodule_cohort, set(), tmp_path / "nodules.png")
    assert len(metrics.by_nodule) == 7 and metrics.which.startswith("split train, validation, test; fold 0, 1, 2")
    assert {(nodule.dice, nodule.touched) for nodule in metrics.by_nodule} == {(0.0, False)}
    assert metrics.groups[0].dice == 0.0 and metrics.groups[0].dice_interval == (0.0, 0.0)


def test_no_nodule_is_left_to_measure(nodule_cohort, settings, tmp_path):
    everyone = {f"patient-{seed}" for seed in range(8)}
    with pytest.raises(CohortError, match="no nodule of a patient that the run has not learned from"):
        evaluate_nodules(PREDICT, settings, nodule_cohort, everyone, tmp_path / "nodules.png")


def test_a_scan_goes_through_the_fine_grid_of_such_a_run(ball_scan, settings):
    scan = ball_scan(3)
    result = segment_nodules(PREDICT, scan.scan, scan.lungs, settings)
    found = result.probability_in(scan.scan.shape) >= 0.5
    assert found[scan.lesions > 0].mean() > 0.9 and len(result.candidates) == 2
