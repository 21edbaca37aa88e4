"""What a run with one input tells."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.classification.evaluate import baselines, evaluate_classifier
from lung_ssp.classification.metrics import ClassificationMetrics
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.task import ClassificationTask
from lung_ssp.classification.temperature import read_temperatures
from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.cohort.description import CohortDescription, read_cohort
from lung_ssp.config import load_config
from lung_ssp.errors import CheckpointError
from lung_ssp.training.evaluation import read_metrics


def test_one_input_says_so_and_knows_no_slides(run: Callable[..., Path]) -> None:
    folder = run()
    metrics = evaluate_classifier(folder, table2=False)
    compared = metrics.comparisons
    assert metrics.slides is None and metrics.inputs == "CT sections"
    assert compared["pathology_against_pathology"].samples == compared["image_against_pathology"].samples == 36
    assert metrics.mean_alphas["fc3"] == ((1.0, 0.0), (0.0, 1.0))
    assert metrics.classes == {"image": CLASS_NAMES, "pathology": CLASS_NAMES}
    assert "inputs: CT sections\n" in (folder / "metrics.txt").read_text()


def test_metrics_json_is_read_back_as_it_was_returned(run: Callable[..., Path]) -> None:
    folder = run()
    metrics = evaluate_classifier(folder, table2=False)
    assert read_metrics(folder, ClassificationMetrics) == metrics


def test_a_run_without_a_log_cannot_be_set_beside_table_2(run: Callable[..., Path]) -> None:
    folder = run()
    with pytest.raises(CheckpointError, match=r"table2\.csv does not exist"):
        evaluate_classifier(folder, table2=True)
    assert not (folder / "metrics.json").exists()


def test_a_run_without_a_test_split_gets_its_temperature_and_no_figures(
    nodule_run_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lung_ssp.classification.calibration.LEAST_SECTIONS", 2)
    run = nodule_run_of("none")
    metrics = evaluate_classifier(run, table2=False)
    assert read_metrics(run, ClassificationMetrics) == metrics
    assert {own.samples for own in metrics.comparisons.values()} == {0}
    assert metrics.binary == {} and metrics.calibration == {}
    assert metrics.temperatures["image"].sections == read_cohort(run).counts.sections["validation"]
    assert "none is the test split" in (run / "metrics.txt").read_text()
    assert "a diagnosis divides its logits by: image " in (run / "metrics.txt").read_text()
    assert read_temperatures(run, metrics.checkpoint.fingerprint) == metrics.temperatures
    settings = load_config(run / "config.yml", ClassificationSettings).settings
    task = ClassificationTask(settings)
    assert np.isnan(task.log_values(task.validation, task.validate)["accuracy_test_value"])


def test_baselines_by_hand(disk_cohort: Path) -> None:
    cohort = read_cohort(disk_cohort)
    image, pathology = np.array([0, 1, 2, -1, 1]), np.array([0, 1, 1, 1, -1])
    figures = baselines({"image": image, "pathology": pathology}, cohort)
    assert figures.most_common_class == 3 / 4
    assert figures.reader_against_pathology == 2 / 3
    assert figures.bayes_accuracy_of_the_pathology is None
    other = CohortDescription(**{**cohort.model_dump(), "section": cohort.section, "image_classes": ("a", "b")})
    assert baselines({"image": image, "pathology": pathology}, other).reader_against_pathology is None


def test_without_any_pathology_there_is_nothing_to_compare_with(disk_cohort: Path) -> None:
    none = np.full(3, -1)
    figures = baselines({"image": np.arange(3), "pathology": none}, read_cohort(disk_cohort))
    assert figures.most_common_class is None and figures.reader_against_pathology is None
