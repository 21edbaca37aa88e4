"""Small trainings of both tasks on cohorts of noise: seconds from the first step to the last."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from lung_ssp.benchmark.steps import write_noise_cohort
from lung_ssp.cohort.store import SPLITS, Sections, write_sections

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
EVERY = {
    "checkpoint": {"every": 3, "validate_every": 2},
    "log": {"every": 2, "scalars_every": 2},
}
SMALL = {
    "classification": {
        "_base_": str(CONFIGS / "classification" / "table2.yml"),
        "batch_size": 6,
        "epochs": 5,
        "model": {"conv_channels": [2, 3], "fully_connected": 5, "keep_probability": 1.0},
        **EVERY,
    },
    "segmentation": {
        "_base_": str(CONFIGS / "segmentation" / "improved_unet.yml"),
        "batch_size": 2,
        "iters": 6,
        "slices": {"spacing_mm": [10.0, 9.0, 9.0]},
        "train_dataset": {"patch_size": 32},
        "val_dataset": {"slices_per_scan": 4},
        "model": {"width": 2, "growth_rate": 2, "dense_layers": 2},
        **EVERY,
    },
}
DATASETS = {"classification": ("train", "val", "test"), "segmentation": ("train", "val")}


@pytest.fixture(scope="session")
def noise_configs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A configuration file of each task, whose cohort is noise."""
    folder, found = tmp_path_factory.mktemp("noise"), {}
    for task, tree in SMALL.items():
        root = folder / task
        names = [f"{split}_dataset" for split in DATASETS[task]]
        roots = {name: {**tree.get(name, {}), "dataset_root": str(root)} for name in names}
        found[task] = folder / f"{task}.yml"
        found[task].write_text(yaml.safe_dump({**tree, **roots}))
        write_noise_cohort(root, found[task])
    for split in SPLITS:  # a segmentation cohort has these as well, to tell the splits' patients apart
        none = np.zeros(0, np.int64)
        sections = Sections(np.zeros((0, 28, 28), np.float32), {"image": none, "pathology": none}, none.astype(str))
        write_sections(folder / "segmentation", split, sections)
    return found
