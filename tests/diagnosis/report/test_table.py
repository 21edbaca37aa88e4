"""findings.csv of one scan has the numbers of findings.json and the columns of a folder's."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.findings_table import finding_columns
from lung_ssp.diagnosis.report.table import write_findings_csv


def read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and the rows."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return list(rows.fieldnames or []), list(rows)


@pytest.mark.parametrize("judged", [False, True])
def test_a_row_a_finding(make_diagnosis: Callable[..., Diagnosis], tmp_path: Path, judged: bool) -> None:
    diagnosis = make_diagnosis(3, judged=judged)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / diagnosis.findings[0].figure_name).write_bytes(b"a picture")
    path = write_findings_csv(diagnosis, tmp_path / "new")
    assert path == tmp_path / "new" / "findings.csv"
    columns, rows = read(path)
    names = {"image": ["benign", "malignant"], "pathology": ["benign", "primary cancer", "metastatic"]}
    assert columns == finding_columns(names, judged)
    assert len(rows) == 3
    for row, finding in zip(rows, diagnosis.as_json()["findings"], strict=True):
        drawn = finding["number"] == 1
        assert (row["scan"], row["picture"]) == (".", f"./{finding['figure']}" if drawn else "")
        assert [float(row[f"lps_{axis}_mm"]) for axis in "xyz"] == finding["centre_lps_mm"]
        assert int(row["slice"]) == finding["slice_index"] + 1
        for name in ("number", "score", "diameter_mm", "volume_mm3", "mean_hu"):
            assert float(row[name]) == finding[name]
        assert float(row["pathology: metastatic"]) == finding["pathology_diagnosis"]["metastatic"]
        assert row["notice"] == diagnosis.notice
        assert "SYNTHETIC" in row["score_learnt_from"] and "REAL" in row["image_learnt_from"]
        assert (row.get("nodule_probability") == "0.8") == judged


def test_a_diagnosis_without_a_slide_says_so(make_diagnosis: Callable[..., Diagnosis], tmp_path: Path) -> None:
    _, (row,) = read(write_findings_csv(make_diagnosis(1, slides=False), tmp_path))
    assert row["pathology_diagnosis"] == "no slide" and row["pathology: benign"] == ""


def test_no_findings_no_rows(make_diagnosis: Callable[..., Diagnosis], tmp_path: Path) -> None:
    columns, rows = read(write_findings_csv(make_diagnosis(0), tmp_path))
    assert rows == [] and columns == finding_columns({"image": CLASS_NAMES, "pathology": CLASS_NAMES}, False)


def test_the_same_diagnosis_has_the_same_bytes(make_diagnosis: Callable[..., Diagnosis], tmp_path: Path) -> None:
    paths = [write_findings_csv(make_diagnosis(2), tmp_path / name) for name in ("a", "b")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
