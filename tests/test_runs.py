"""The evaluation of a run as its user calls it; the log beside Table 2 is tested with the command line."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from lung_ssp.classification.metrics import ClassificationMetrics
from lung_ssp.errors import CheckpointError, CohortError, ConfigError, EnvironmentProblem
from lung_ssp.runs import evaluate
from lung_ssp.segmentation.metrics import SegmentationMetrics


def test_a_segmentation_run_is_measured_on_its_test_scans(runs: tuple[Path, Path]) -> None:
    evaluation = evaluate(runs[0])
    metrics = evaluation.metrics
    assert isinstance(metrics, SegmentationMetrics)
    assert metrics.synthetic is True
    assert metrics.test_scans.scans == 1
    assert metrics.real_nodules is None
    assert list(evaluation.figures.glob("*.png"))
    for text in (evaluation.text(), (runs[0] / "metrics.txt").read_text()):
        assert "SYNTHETIC" in text
        assert metrics.fingerprint in text
    assert evaluate(runs[0]) == evaluation  # the second time read from metrics.json


def test_real_nodules_are_named_as_real_and_as_never_trained_on(runs: tuple[Path, Path], tmp_path: Path) -> None:
    # Two balls stand in for the real nodules, which are measured where they are at hand.
    distance = np.linalg.norm(np.stack(np.mgrid[:51, :51, :51]) - 25, axis=0)
    masks = np.stack([distance < radius for radius in (6, 9)])
    np.savez(tmp_path / "lidc_nodules_3d.npz", hu=np.where(masks, 0, -850).astype(np.int16), mask=masks)
    evaluation = evaluate(runs[0], real_nodules=tmp_path)
    assert isinstance(evaluation.metrics, SegmentationMetrics) and evaluation.metrics.real_nodules is not None
    assert len(evaluation.metrics.real_nodules.dice_per_nodule.values) == 2
    assert "2 nodules: real" in evaluation.text()
    assert "never trained on" in evaluation.text()
    assert evaluate(runs[0], real_nodules=tmp_path) == evaluation


def test_real_tumours_in_slices_are_measured_beside_them(runs: tuple[Path, Path], tmp_path: Path) -> None:
    distance = np.linalg.norm(np.stack(np.mgrid[:32, :32]) - 16, axis=0)
    images = np.where(distance < 6, 1.0, 150 / 1100).astype(np.float32)
    with h5py.File(tmp_path / "val_patches.h5", "w") as file:
        file["images"] = np.broadcast_to(images, (20, 1, 32, 32))
        file["labels"] = np.broadcast_to(distance < 6, (20, 1, 32, 32)).astype(float)
    evaluation = evaluate(runs[0], real_nodules=tmp_path)
    assert isinstance(evaluation.metrics, SegmentationMetrics) and evaluation.metrics.real_patches is not None
    assert evaluation.metrics.real_patches.patches == 20 and evaluation.metrics.real_nodules is None
    assert "20 patches with a tumour of 2 patients: real lung tumours of the Medical" in evaluation.text()
    assert (evaluation.figures / "real-patches.png").is_file()
    assert evaluate(runs[0], real_nodules=tmp_path) == evaluation
    assert evaluate(runs[0]).metrics.real_patches is None
    assert not (evaluation.figures / "real-patches.png").exists()


def test_what_is_measured_already_is_read_and_not_measured_again(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = shutil.copytree(runs[1], tmp_path / "run")
    first = evaluate(run)
    assert isinstance(first.metrics, ClassificationMetrics) and first.metrics.comparisons
    (run / "metrics.txt").write_text("as it was left")
    again = evaluate(run)
    assert again == first
    assert again.text() == "as it was left"


def record_as_evaluated(run: Path, metrics: bytes) -> None:
    """Put something else in the place of metrics.json, with its hash in the record."""
    record = json.loads((run / "evaluation.json").read_text())
    (run / "metrics.json").write_bytes(metrics)
    (run / "evaluation.json").write_text(json.dumps({**record, "metrics_sha256": hashlib.sha256(metrics).hexdigest()}))


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: (run / "metrics.json").unlink(),
        lambda run: (run / "metrics.txt").unlink(),
        lambda run: (run / "calibration.json").unlink(),
        lambda run: (run / "calibration.json").write_text("{}"),
        lambda run: next((run / "figures").glob("*.png")).unlink(),
        lambda run: shutil.rmtree(run / "figures"),
        lambda run: (run / "evaluation.json").write_text("{"),
        lambda run: (run / "evaluation.json").write_text("[]"),
        lambda run: (run / "evaluation.json").write_bytes(b"\xff\xfe"),
        lambda run: (run / "metrics.json").write_text('{"statement": 1}'),
        lambda run: (run / "metrics.json").write_bytes(b"\xff"),
        lambda run: record_as_evaluated(run, b'{"statement": 1}'),
        lambda run: (run / "metrics.json").write_text(
            (run / "metrics.json").read_text().replace('"step": 0', '"step": 1')
        ),
    ],
)
def test_what_is_gone_or_changed_is_measured_again(
    runs: tuple[Path, Path], tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    run = shutil.copytree(runs[1], tmp_path / "run")
    first = evaluate(run)
    before = {path.name: path.read_bytes() for path in run.rglob("*") if path.suffix in (".json", ".txt")}
    figures = {path.name for path in first.figures.iterdir()}
    damage(run)
    assert evaluate(run) == first
    assert {path.name: path.read_bytes() for path in run.rglob("*") if path.suffix in (".json", ".txt")} == before
    assert {path.name for path in first.figures.iterdir()} == figures


def test_a_broken_evaluation_leaves_nothing_that_counts_as_measured(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = shutil.copytree(runs[1], tmp_path / "run")
    evaluate(run)
    assert (run / "evaluation.json").is_file()
    with pytest.raises(CheckpointError, match="table2"):  # this run has no log
        evaluate(run, table2=True)
    assert not (run / "evaluation.json").exists()


def test_a_missing_device_is_told(runs: tuple[Path, Path]) -> None:
    with pytest.raises(EnvironmentProblem, match="--device gpu"):
        evaluate(runs[1], device="gpu")


def test_options_of_the_other_task_are_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="table2 is no option of the evaluation of a segmentation run"):
        evaluate(runs[0], table2=True)
    with pytest.raises(ConfigError, match="real_nodules is no option of the evaluation of a classification run"):
        evaluate(runs[1], real_nodules=tmp_path)
    with pytest.raises(CohortError, match=r"holds neither lidc_nodules_3d\.npz nor val_patches\.h5: name"):
        evaluate(runs[0], real_nodules=tmp_path)
