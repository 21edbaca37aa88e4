"""The evaluation of a segmentation run as its user calls it; a classification run's is tested with the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.errors import CohortError, ConfigError
from lung_ssp.runs import evaluate


def test_a_segmentation_run_is_measured_on_its_test_scans(runs: tuple[Path, Path], tmp_path: Path) -> None:
    report = evaluate(runs[0], table2=False, real_nodules=None)
    metrics = json.loads((runs[0] / "metrics.json").read_text())
    assert metrics["synthetic"] is True
    assert metrics["test_scans"]["scans"] == 1
    assert "real_nodules" not in metrics
    assert list((runs[0] / "figures").glob("*.png"))
    for text in (report, (runs[0] / "metrics.txt").read_text()):
        assert "SYNTHETIC" in text
        assert metrics["fingerprint"] in text


def test_real_nodules_are_named_as_real_and_as_never_trained_on(runs: tuple[Path, Path], tmp_path: Path) -> None:
    # Two balls stand in for the real nodules, which are measured where they are at hand.
    distance = np.linalg.norm(np.stack(np.mgrid[:51, :51, :51]) - 25, axis=0)
    masks = np.stack([distance < radius for radius in (6, 9)])
    np.savez(tmp_path / "lidc_nodules_3d.npz", hu=np.where(masks, 0, -850).astype(np.int16), mask=masks)
    report = evaluate(runs[0], table2=False, real_nodules=tmp_path)
    assert "2 nodules: real" in report
    assert "never trained on" in report


def test_options_of_the_other_task_are_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="table2 is no option of the evaluation of a segmentation run"):
        evaluate(runs[0], table2=True, real_nodules=None)
    with pytest.raises(ConfigError, match="real_nodules is no option of the evaluation of a classification run"):
        evaluate(runs[1], table2=False, real_nodules=tmp_path)
    with pytest.raises(CohortError, match="lidc_nodules_3d"):
        evaluate(runs[0], table2=False, real_nodules=tmp_path)
