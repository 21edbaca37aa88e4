"""The U-Net learns the same in two processes as in one."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from lung_ssp.cli import main
from lung_ssp.cohort.store import SPLITS, Sections, write_sections

pytestmark = pytest.mark.slow

SHIPPED = Path(__file__).parents[2] / "configs" / "segmentation"


@pytest.fixture
def config(slice_cohort: Path, tmp_path: Path) -> Path:
    """The smoke configuration on the balls, each of its 20 steps logged."""
    cohort = shutil.copytree(slice_cohort, tmp_path / "cohort")
    for split in SPLITS:
        images, labels = np.zeros((1, 16, 16), np.float32), np.zeros(1, np.int64)
        write_sections(
            cohort, split, Sections(images, {"image": labels, "pathology": labels}, np.array([f"{split}-1"]))
        )
    tree = {
        "_base_": str(SHIPPED / "smoke.yml"),
        "train_dataset": {"dataset_root": str(cohort), "patch_size": 32},
        "val_dataset": {"dataset_root": str(cohort), "slices_per_scan": 4},
        "log": {"every": 1},
    }
    (tmp_path / "config.yml").write_text(yaml.safe_dump(tree))
    return tmp_path / "config.yml"


def losses(run: Path) -> np.ndarray:
    with (run / "log.csv").open() as file:
        return np.array([float(row["loss_total_value"]) for row in csv.DictReader(file)])


def test_losses_are_those_of_one_process(config: Path, tmp_path: Path) -> None:
    runs = {1: tmp_path / "alone", 2: tmp_path / "together"}
    for processes, run in runs.items():
        words = ["train", "--config", str(config), "--output", str(run), "--processes", str(processes)]
        assert main(words) == 0
    alone, together = losses(runs[1]), losses(runs[2])
    assert len(alone) == 20
    assert alone[-1] < alone[0] - 0.1  # it has learnt
    assert together[:5] == pytest.approx(alone[:5], abs=1e-5)
    assert together == pytest.approx(alone, abs=1e-4)  # Adam makes more of what rounding leaves of small gradients
