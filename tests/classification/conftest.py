"""A tiny cohort of sections in which a bright disk's size tells the class."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml

from lung_ssp.classification.build import build_classification
from lung_ssp.classification.settings import DATASET_OF_MODEL, ClassificationSettings, TwoTaskClassifierSettings
from lung_ssp.cohort.description import CohortDescription, write_cohort
from lung_ssp.cohort.slides.store import Tiles, write_tiles
from lung_ssp.cohort.store import SPLITS, Sections, write_sections
from lung_ssp.config import Config, load_config
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.preparation import prepare
from lung_ssp.training.checkpoint import network_arrays, save_checkpoint
from lung_ssp.training.run import open_run

SIZE = 16


def disk_sections(count: int, seed: int) -> Sections:
    """Sections of three classes by the radius of a disk, with noise; every tenth pathology is missing."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=count)
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    distance = np.hypot(rows, columns)
    disks = distance[None] < (2 + 2 * labels)[:, None, None]
    images = (0.7 * disks + rng.normal(0.1, 0.05, (count, SIZE, SIZE))).clip(0, 1).astype(np.float32)
    pathology = np.where(np.arange(count) % 10 == 9, -1, labels)
    return Sections(images, {"image": labels, "pathology": pathology}, np.array([f"P{i}" for i in range(count)]))


def disk_tiles(sections: Sections, seed: int) -> Tiles:
    """Three tiles of every third patient, whose colour tells the class of the patient's section."""
    rng = np.random.default_rng(seed)
    chosen = np.arange(0, len(sections), 3)
    colours = 60 * np.eye(3)[sections.labels["image"][chosen]] + 120
    images = colours[:, None, None, None] + rng.normal(0, 10, (len(chosen), 3, SIZE, SIZE, 3))
    patients = np.repeat(sections.patients[chosen], 3)
    return Tiles(images.reshape(-1, SIZE, SIZE, 3).astype(np.uint8), patients, np.char.add(patients, "-1"))


@pytest.fixture(scope="session")
def disk_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared cohort of disks: 100 training, 30 validation and 40 test sections, a third of them with a slide."""
    root = tmp_path_factory.mktemp("disks")
    for seed, (split, count) in enumerate(zip(SPLITS, (100, 30, 40), strict=True)):
        sections = disk_sections(count, seed)
        write_sections(root, split, sections)
        write_tiles(root, split, disk_tiles(sections, seed))
    write_cohort(
        root,
        CohortDescription(
            name="disks",
            synthetic=True,
            origin="random numbers",
            fingerprint="d15c",
            key="",
            section=SectionSettings(size=SIZE),
        ),
    )
    return root


@pytest.fixture
def small_settings(disk_cohort: Path) -> Callable[..., ClassificationSettings]:
    """Settings of a small network on the disks; keyword arguments change the network."""

    def make(**model: object) -> ClassificationSettings:
        network = {"type": "TwoTaskClassifier", **small_model(), **model}

        def dataset(mode: str) -> dict[str, str]:
            return {"type": DATASET_OF_MODEL[network["type"]], "dataset_root": str(disk_cohort), "mode": mode}

        return ClassificationSettings.model_validate(
            {
                "task": "classification",
                "batch_size": 20,
                "epochs": 4,
                "train_dataset": dataset("train"),
                "val_dataset": dataset("validation"),
                "test_dataset": dataset("test"),
                "model": network,
                "checkpoint": {"every": 4, "validate_every": 4},
                "log": {"every": 4, "scalars_every": 2},
            }
        )

    return make


def small_model() -> dict[str, object]:
    """The network's settings that make it small."""
    return {
        "image_size": SIZE,
        "conv_channels": [2, 3],
        "fully_connected": 5,
        "num_classes": {"image": 3, "pathology": 3},
        "batch_norm_momentum": 0.9,
    }


@pytest.fixture
def small_network_settings() -> Callable[..., TwoTaskClassifierSettings]:
    """Settings of a small network alone; keyword arguments change it."""
    return lambda **changes: TwoTaskClassifierSettings.model_validate({**small_model(), **changes})


@pytest.fixture
def run(small_settings: Callable[..., ClassificationSettings], tmp_path: Path) -> Callable[..., Path]:
    """Makes a run folder with untrained weights; keyword arguments change the network."""

    def make(**model: object) -> Path:
        settings, folder = small_settings(**model), tmp_path / "run"
        cohort = Path(settings.train_dataset.dataset_root)
        open_run(folder, yaml.safe_dump(settings.model_dump()), {}, cohort, resume=False)
        paddle.seed(1)
        network = build_classification(Config(settings, {})).task.network
        state = {"score_name": "untrained", "score": 0.0}
        save_checkpoint(folder / "checkpoints", "best", 0, network_arrays(network), state)
        return folder

    return make


@pytest.fixture
def nodule_run_of(write_archive: Callable[[Path], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A run of untrained weights on a cohort of synthetic nodules with this test fold, or "none"."""

    def make(test_fold: str) -> Path:
        of_fold = tmp_path / f"fold {test_fold}"
        of_fold.mkdir()
        archive, root, folder = write_archive(of_fold / "archive"), of_fold / "cohort", of_fold / "run"
        where = [f"cohort.archive={archive}", f"cohort.root={root}", f"cohort.test_fold={test_fold}"]
        prepare("cohort/lidc_nodules.yml", where)
        roots = [f"{split}_dataset.dataset_root={root}" for split in ("train", "val", "test")]
        small = ["model.fully_connected=5", "model.conv_channels=[2,3]", "batch_size=2"]
        config = load_config("classification/lidc.yml", ClassificationSettings, [*roots, *small])
        open_run(folder, config.text(), {}, root, resume=False)
        paddle.seed(1)
        network = build_classification(config).task.network
        save_checkpoint(
            folder / "checkpoints", "best", 0, network_arrays(network), {"score_name": "untrained", "score": 0.0}
        )
        return folder

    return make


@pytest.fixture
def nodule_run(nodule_run_of: Callable[[str], Path]) -> Path:
    """A run of untrained weights on a cohort of synthetic nodules."""
    return nodule_run_of("1")
