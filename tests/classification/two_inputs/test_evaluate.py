"""What a run with two inputs tells of its slides."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from lung_ssp.classification.evaluate import evaluate_classification
from lung_ssp.cohort.store import read_sections
from lung_ssp.files import read_json


def test_the_same_sections_are_measured_with_and_without_slides(run: Callable[..., Path], disk_cohort: Path) -> None:
    folder = run(type="TwoInputClassifier", alphas={"initial": [[0.5, 0.5], [0.5, 0.5]]})
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
    assert "inputs: CT sections, and tiles of pathology slides" in report
    assert "same sections without slide:" in report and slides["rule"] in report
    assert "NaN" not in (folder / "metrics.json").read_text()
    with Image.open(folder / "figures" / "pathology_against_pathology.png") as picture:
        assert "SYNTHETIC" in picture.text["Description"]
