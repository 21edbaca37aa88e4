"""A classifier of two inputs on a CT alone: the image diagnosis by its rule, and never a number for the pathology."""

from functools import partial
from pathlib import Path

import numpy as np
import paddle
import pytest

from lung_ssp.classification.build import MODEL_TYPES
from lung_ssp.classification.prediction import predict_logits
from lung_ssp.classification.settings import DATASET_OF_MODEL, ClassificationSettings
from lung_ssp.classification.trained import TrainedClassifier
from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.ct.lesion import find_candidates
from lung_ssp.ct.settings import NoduleSettings, SectionSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis.diagnoser import classify
from lung_ssp.diagnosis.diagnosis import finding_line
from lung_ssp.diagnosis.figures import class_of_both, save_overviews
from lung_ssp.diagnosis.finding import Finding
from lung_ssp.training.run import BestCheckpoint

NAMES = {"image": CLASS_NAMES, "pathology": CLASS_NAMES}
LEARNT = {"score": "REAL patients (a)", "image": "REAL patients (b)", "pathology": "REAL patients (b)"}


def volume_with_a_ball() -> tuple[Volume, np.ndarray]:
    """A ball of 10 mm in air at 1 mm, and where it is."""
    z, y, x = np.mgrid[:40, :60, :60]
    ball = (z - 20) ** 2 + (y - 30) ** 2 + (x - 30) ** 2 <= 25
    return Volume(np.where(ball, 30, -850).astype(np.int16), (1.0, 1.0, 1.0)), ball


def classifier(model_type: str) -> TrainedClassifier:
    parts = ("train", "val", "test")
    modes = {"train": "train", "val": "validation", "test": "test"}
    dataset_type = DATASET_OF_MODEL[model_type]
    settings = ClassificationSettings.model_validate(
        {
            "task": "classification",
            "model": {"type": model_type, "fully_connected": 8, "conv_channels": [2, 3]},
            **{
                f"{part}_dataset": {"type": dataset_type, "dataset_root": "nowhere", "mode": modes[part]}
                for part in parts
            },
        }
    )
    paddle.seed(0)
    network = MODEL_TYPES[model_type].network(settings.model)
    network.eval()
    return TrainedClassifier(settings, BestCheckpoint(0, "untrained", 0.0, "00"), partial(predict_logits, network))


@pytest.fixture(scope="module")
def found() -> tuple[Finding, Volume]:
    volume, ball = volume_with_a_ball()
    candidates = find_candidates(ball.astype(np.float32), volume, np.ones(ball.shape, bool), NoduleSettings())
    (finding,) = classify(candidates, volume, classifier("TwoInputClassifier"), SectionSettings(), NAMES)
    return finding, volume


def test_the_image_diagnosis_is_there_and_the_pathology_is_not(found: tuple[Finding, Volume]) -> None:
    finding, _ = found
    report = finding.as_json()
    assert sum(report["image_diagnosis"].values()) == pytest.approx(1, abs=1e-4)
    assert report["pathology_diagnosis"] == "no slide"
    assert finding.prediction("pathology") == "no slide"


def test_table_and_figure_say_so(found: tuple[Finding, Volume], tmp_path: Path) -> None:
    finding, volume = found
    line = finding_line(finding, dict.fromkeys(LEARNT, "a SYNTHETIC cohort (disks)"))
    assert line.endswith(" [SYNTHETIC] / no slide") and "nan" not in line
    lungs = np.zeros(volume.shape, bool)
    lungs[:, 10:50, 10:50] = True
    save_overviews([finding], volume, lungs, "notice", tmp_path, LEARNT)
    assert (tmp_path / "finding-01.png").read_bytes().startswith(b"\x89PNG")


def test_with_one_input_both_are_numbers() -> None:
    volume, ball = volume_with_a_ball()
    candidates = find_candidates(ball.astype(np.float32), volume, np.ones(ball.shape, bool), NoduleSettings())
    (finding,) = classify(candidates, volume, classifier("TwoTaskClassifier"), SectionSettings(), NAMES)
    for task in ("image", "pathology"):
        assert sum(finding.as_json()[f"{task}_diagnosis"].values()) == pytest.approx(1, abs=1e-4)
        assert finding.prediction(task).split()[-1] == f"{finding.probabilities[task].max():.2f}"


def test_an_image_task_with_classes_of_its_own_names_them(tmp_path: Path) -> None:
    volume, ball = volume_with_a_ball()
    candidates = find_candidates(ball.astype(np.float32), volume, np.ones(ball.shape, bool), NoduleSettings())
    appearance = ("nothing", "smooth", "spiculated")
    names = {"image": appearance, "pathology": CLASS_NAMES}
    (finding,) = classify(candidates, volume, classifier("TwoTaskClassifier"), SectionSettings(), names)
    assert list(finding.as_json()["image_diagnosis"])[:4] == [*appearance, "class 3"]
    assert tuple(finding.as_json()["pathology_diagnosis"]) == CLASS_NAMES
    assert class_of_both(1, finding) == "smooth | adenocarcinoma"
