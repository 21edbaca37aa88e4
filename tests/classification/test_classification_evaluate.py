"""What a run with one input tells."""

from collections.abc import Callable
from pathlib import Path

from lung_ssp.classification.evaluate import evaluate_classification
from lung_ssp.files import read_json


def test_one_input_says_so_and_knows_no_slides(run: Callable[..., Path]) -> None:
    folder = run()
    report = evaluate_classification(folder, table2=False)
    metrics = read_json(folder / "metrics.json")
    assert "slides" not in metrics and metrics["inputs"] == "CT sections"
    assert metrics["pathology_against_pathology"]["samples"] == metrics["image_against_pathology"]["samples"] == 36
    assert "inputs: CT sections\n" in report
