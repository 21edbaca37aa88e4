"""Configurations of small networks, whose cohort does not exist."""

from pathlib import Path

import pytest
import yaml

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
DATASETS = {
    "classification": ("train_dataset", "val_dataset", "test_dataset"),
    "segmentation": ("train_dataset", "val_dataset"),
}
SMALL = {
    "classification": {
        "_base_": str(CONFIGS / "classification" / "table2.yml"),
        "batch_size": 6,
        "model": {"image_size": 16, "conv_channels": [2, 3], "fully_connected": 5, "keep_probability": 1.0},
    },
    "segmentation": {
        "_base_": str(CONFIGS / "segmentation" / "improved_unet.yml"),
        "batch_size": 2,
        "slices": {"spacing_mm": [10.0, 9.0, 9.0]},
        "train_dataset": {"patch_size": 32},
        "val_dataset": {"slices_per_scan": 4},
        "model": {"width": 2, "growth_rate": 2, "dense_layers": 2},
        "prediction": {"batch_size": 3},
    },
}


@pytest.fixture(scope="session")
def small_configs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A configuration file of each task."""
    folder = tmp_path_factory.mktemp("configs")
    for task, tree in SMALL.items():
        roots = {name: {**tree.get(name, {}), "dataset_root": str(folder / "nowhere")} for name in DATASETS[task]}
        (folder / f"{task}.yml").write_text(yaml.safe_dump({**tree, **roots}))
    return {task: folder / f"{task}.yml" for task in SMALL}
