"""What a run with two inputs tells of its slides."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from lung_ssp.classification.evaluate import evaluate_classifier
from lung_ssp.classification.metrics import ClassificationMetrics
from lung_ssp.cohort.store import read_sections
from lung_ssp.training.evaluation import read_metrics


def test_the_same_sections_are_measured_with_and_without_slides(run: Callable[..., Path], disk_cohort: Path) -> None:
    folder = run(type="TwoInputClassifier", alphas={"initial": [[0.5, 0.5], [0.5, 0.5]]})
    metrics, sections = evaluate_classifier(folder, table2=False), read_sections(disk_cohort, "test")
    report = (folder / "metrics.txt").read_text()
    # Every third patient has a slide (one section each); a normal pathology goes without.
    has_slide = (np.arange(40) % 3 == 0) & (sections.labels["pathology"] != 0)
    known = sections.labels["pathology"] != -1
    slides = metrics.slides
    assert slides is not None and slides.sections_with_slide == has_slide.sum()
    for compared in (slides.with_slide, slides.same_sections_without_slide):
        assert compared["image_against_reader"].samples == has_slide.sum()
        assert compared["image_against_pathology"].samples == (has_slide & known).sum()
    assert slides.all_sections_without_slide["image_against_reader"].samples == 40
    assert slides.with_slide != slides.same_sections_without_slide
    assert metrics.comparisons["image_against_pathology"].samples == known.sum()
    assert metrics.comparisons["pathology_against_pathology"].samples == (has_slide & known).sum()
    assert read_metrics(folder, ClassificationMetrics) == metrics
    assert "inputs: CT sections, and tiles of pathology slides" in report
    assert "same sections without slide:" in report and slides.rule in report
    assert "NaN" not in (folder / "metrics.json").read_text()
    with Image.open(folder / "figures" / "pathology_against_pathology.png") as picture:
        assert "SYNTHETIC" in picture.text["Description"]
