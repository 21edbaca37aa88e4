"""A trained classifier, read back, computes what its evaluation measured."""

from pathlib import Path

import numpy as np

from lung_ssp.classification.build import restored_network
from lung_ssp.classification.metrics import evaluate_sections
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.temperature import Temperature, write_temperatures
from lung_ssp.classification.trained import load_classifier
from lung_ssp.cohort.store import read_sections
from lung_ssp.config import load_config


def test_a_diagnosis_computes_what_the_evaluation_measured(nodule_run: Path) -> None:
    """The means over eight orientations, and the temperature that the evaluation has fitted."""
    settings = load_config(nodule_run / "config.yml", ClassificationSettings).settings
    network, checkpoint = restored_network(nodule_run, settings)
    measured = evaluate_sections(network, settings, {})
    assert load_classifier(nodule_run).temperatures == {}
    sections = read_sections(Path(settings.test_dataset.dataset_root), "test").images[:, None]
    for task, probabilities in load_classifier(nodule_run).probabilities(sections).items():
        np.testing.assert_array_equal(probabilities, measured.probabilities[task])
    write_temperatures(nodule_run, checkpoint.fingerprint, {"image": Temperature(0.5, 30)})
    calibrated = load_classifier(nodule_run).probabilities(sections)
    sharper = measured.probabilities["image"] ** 2
    np.testing.assert_allclose(calibrated["image"], sharper / sharper.sum(axis=1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(calibrated["pathology"], measured.probabilities["pathology"])
