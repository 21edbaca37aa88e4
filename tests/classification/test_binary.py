"""Malignant against benign: sides, scores of patients, AUC and its interval."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from lung_ssp.classification.binary import (
    Scored,
    binary_auc,
    in_words,
    malignant_share,
    nodules_of,
    patients_of,
    weighted_aucs,
)
from lung_ssp.classification.evaluate import evaluate_classifier
from lung_ssp.classification.metrics import ClassificationMetrics
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.task import ClassificationTask
from lung_ssp.cohort.description import BinaryDiagnosis, read_cohort
from lung_ssp.cohort.nodules.store import NoduleRow
from lung_ssp.config import load_config
from lung_ssp.training.evaluation import read_metrics

IMAGE = BinaryDiagnosis(negative=(0,), positive=(2,))
PATHOLOGY = BinaryDiagnosis(negative=(0,), positive=(1, 2))


def row(patient: str, image: int = -1, diagnosis: int = -1) -> NoduleRow:
    return NoduleRow.model_construct(patient=patient, image_label=image, patient_diagnosis=diagnosis)


def scored(scores: list[float], malignant: list[int], patients: list[str] | None = None) -> Scored:
    names = patients or [f"P{i}" for i in range(len(scores))]
    return Scored(np.array(scores, float), np.array(malignant, bool), np.array(names))


def test_the_words_name_the_classes() -> None:
    names = ("benign", "primary cancer", "metastatic")
    assert in_words(PATHOLOGY, names) == "primary cancer or metastatic against benign"


def test_the_indeterminate_class_has_no_share() -> None:
    probabilities = np.array([[0.1, 0.6, 0.3], [0.2, 0.8, 0.0], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(malignant_share(probabilities, IMAGE), [0.75, 0, 0])
    np.testing.assert_allclose(malignant_share(probabilities, PATHOLOGY), [0.9, 0.8, 1])


def test_nodules_of_neither_side_are_left_out() -> None:
    rows = [row("A", 0), row("A", 1), row("B", 2), row("C", -1)]
    chosen = nodules_of(rows, np.array([0.1, 0.2, 0.3, 0.4]), IMAGE)
    assert chosen.scores.tolist() == [0.1, 0.3] and chosen.malignant.tolist() == [False, True]
    assert chosen.patients.tolist() == ["A", "B"]


def test_a_patient_has_the_highest_score_of_its_nodules() -> None:
    rows = [row("A", diagnosis=0), row("A", diagnosis=0), row("B", diagnosis=2), row("C"), row("B", diagnosis=2)]
    chosen = patients_of(rows, np.array([0.1, 0.7, 0.3, 0.9, 0.2]), PATHOLOGY)
    assert chosen.scores.tolist() == [0.7, 0.3] and chosen.malignant.tolist() == [False, True]
    assert chosen.patients.tolist() == ["A", "B"]


def test_an_auc_by_hand() -> None:
    # of four pairs two are won, one is tied, one is lost
    figure = binary_auc("a against b", "score", "nodule", 3, scored([1, 2, 2, 3], [0, 0, 1, 1]))
    assert figure.auc == 3.5 / 4
    assert (figure.samples, figure.patients, figure.malignant, figure.fold) == (4, 4, 2, 3)
    assert figure.interval is not None and 0 <= figure.interval[0] <= figure.auc <= figure.interval[1] <= 1
    assert figure == binary_auc("a against b", "score", "nodule", 3, scored([1, 2, 2, 3], [0, 0, 1, 1]))


@pytest.mark.parametrize("malignant", [[1, 1], [0, 0], []])
def test_one_side_alone_has_no_auc(malignant: list[int]) -> None:
    figure = binary_auc("a", "b", "patient", 0, scored([0.5] * len(malignant), malignant))
    assert figure.auc is None and figure.interval is None


def test_the_patients_are_drawn_and_not_the_nodules() -> None:
    rng = np.random.default_rng(0)
    scores, malignant = rng.random(40), np.arange(40) % 2
    alone = binary_auc("", "", "nodule", 0, scored(scores.tolist(), malignant.tolist()))
    # ten equal nodules of each patient tell no more than one
    names = [f"P{i}" for i in range(40) for _ in range(10)]
    tenfold = binary_auc("", "", "nodule", 0, scored(np.repeat(scores, 10).tolist(), np.repeat(malignant, 10), names))
    assert tenfold.auc == pytest.approx(alone.auc) and tenfold.interval == pytest.approx(alone.interval)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=4, max_size=30).filter(
        lambda rows: {side for _, side, weight in rows if weight} == {True, False}
    )
)
def test_weighted_aucs_are_those_of_scikit_learn(rows: list[tuple[int, bool, int]]) -> None:
    scores, sides, weights = map(np.array, zip(*rows, strict=True))
    (found,) = weighted_aucs(scored(scores, sides), weights[None])
    assert found == pytest.approx(roc_auc_score(sides, scores, sample_weight=weights))


def test_weights_on_one_side_alone_give_no_auc() -> None:
    assert np.isnan(weighted_aucs(scored([1, 2], [0, 1]), np.array([[1, 0]]))).all()


def test_a_run_on_nodules_tells_malignant_from_benign(nodule_run: Path) -> None:
    metrics = evaluate_classifier(nodule_run, table2=False)
    assert read_metrics(nodule_run, ClassificationMetrics) == metrics
    assert metrics.classes["pathology"] == ("benign", "primary cancer", "metastatic")
    assert set(metrics.binary) == {
        "image_by_nodule",
        "pathology_by_patient",
        "image_branch_by_patient",
        "readers_by_patient",
    }
    assert {figure.fold for figure in metrics.binary.values()} == {1} and not metrics.synthetic
    text = (nodule_run / "metrics.txt").read_text()
    assert "11 REAL patients, fold 1 of 0 to 4 is the test split" in text
    assert "test fold 1 (95 % intervals: 2,000 drawings of patients)" in text
    assert re.search(r"malignant against benign, \d nodules of \d patients, \d malignant: AUC", text)
    assert re.search(r"primary cancer or metastatic against benign, \d patients, \d malignant: AUC", text)


def test_the_pictures_of_the_dashboard_name_the_cohort_s_classes(nodule_run: Path) -> None:
    settings = load_config(nodule_run / "config.yml", ClassificationSettings).settings
    task = ClassificationTask(settings)
    assert task.names == read_cohort(Path(settings.train_dataset.dataset_root)).class_names
    assert task.names["pathology"][2] == "metastatic" and len(task.images()) == 8
