"""What a run of two inputs says of what slides give."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml
from PIL import Image

from lung_ssp.classification.build import build_classification
from lung_ssp.classification.evaluate import evaluate_classification
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.cohort.store import read_sections
from lung_ssp.config import Config
from lung_ssp.files import read_json
from lung_ssp.training.checkpoint import network_arrays, save_checkpoint
from lung_ssp.training.run import open_run


@pytest.fixture
def run(small_settings: Callable[..., ClassificationSettings], tmp_path: Path) -> Callable[..., Path]:
    """Makes a run folder with untrained weights; keyword arguments change the network."""

    def make(**model: object) -> Path:
        settings, folder = small_settings(**model), tmp_path / "run"
        cohort = Path(settings.train_dataset.dataset_root)
        open_run(folder, yaml.safe_dump(settings.model_dump()), {}, cohort, resume=False)
        paddle.seed(1)
        network = build_classification(Config(settings, {})).task.network
        save_checkpoint(folder / "checkpoints", "best", 0, network_arrays(network), {"score": 0.0})
        return folder

    return make


def test_the_same_sections_are_measured_with_and_without_slides(run: Callable[..., Path], disk_cohort: Path) -> None:
    folder = run(two_inputs=True, alphas={"initial": [[0.5, 0.5], [0.5, 0.5]]})
    report = evaluate_classification(folder, table2=False)
    metrics, sections = read_json(folder / "metrics.json"), read_sections(disk_cohort, "test")
    # Every third patient has a slide (one section each); a normal pathology goes without.
    has_slide = (np.arange(40) % 3 == 0) & (sections.labels["pathology"] != 0)
    known = sections.labels["pathology"] != -1
    slides = metrics["slides"]
    assert slides["sections_with_slide"] == has_slide.sum()
    for part in ("with_slide", "same_sections_without_slide"):
        assert slides[part]["image_against_reader"]["samples"] == has_slide.sum()
        assert slides[part]["image_against_pathology"]["samples"] == (has_slide & known).sum()
    assert slides["all_sections_without_slide"]["image_against_reader"]["samples"] == 40
    assert slides["with_slide"] != slides["same_sections_without_slide"]
    assert metrics["image_against_pathology"]["samples"] == known.sum()
    assert metrics["pathology_against_pathology"]["samples"] == (has_slide & known).sum()
    assert "inputs: CT sections, and patches of pathology slides" in report
    assert "same sections without slide:" in report and slides["rule"] in report
    assert "NaN" not in (folder / "metrics.json").read_text()
    with Image.open(folder / "figures" / "pathology_against_pathology.png") as picture:
        assert "SYNTHETIC" in picture.text["Description"]


def test_one_input_says_so_and_knows_no_slides(run: Callable[..., Path]) -> None:
    folder = run()
    report = evaluate_classification(folder, table2=False)
    metrics = read_json(folder / "metrics.json")
    assert "slides" not in metrics and metrics["inputs"] == "CT sections"
    assert metrics["pathology_against_pathology"]["samples"] == metrics["image_against_pathology"]["samples"] == 36
    assert "inputs: CT sections\n" in report
