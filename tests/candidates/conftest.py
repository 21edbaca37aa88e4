"""A cohort of small patches: bright balls are nodules, bright bars are false candidates, of two sources."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from lung_ssp.cohort.candidates.store import candidate_digests, write_candidates
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.cohort.description import CohortDescription, write_cohort
from lung_ssp.cohort.store import SPLITS, Sections, contents_digest, write_sections
from lung_ssp.ct.settings import PatchSettings, SectionSettings

SHIPPED = Path(__file__).parents[2] / "configs" / "candidates" / "false_positives.yml"
STORED = PatchSettings(slices=3, size=24)
# in each split: nodules and bars of the source "archive", bars of the source "scans"
COUNTS = {"archive nodule": 12, "archive found": 6, "archive random": 6, "scans found": 8}


def ball_or_bar(kind: str, rng: np.random.Generator) -> np.ndarray:
    """int16 (3, 24, 24): a ball of 4 pixels' radius, or a bar right through."""
    y, x = np.indices((24, 24)) - 11.5 + rng.uniform(-1, 1, (2, 1, 1))
    shape = np.hypot(y, x) < 4 if kind == "nodule" else np.abs(y) < 2
    return np.rint(np.where(shape, 30, -850) + rng.normal(0, 25, (3, 24, 24))).astype(np.int16)


def write_candidate_cohort(root: Path) -> Path:
    rng = np.random.default_rng(0)
    rows, patches = [], []
    for split in SPLITS:
        for group, count in COUNTS.items():
            source, kind = group.split()
            for number in range(count):
                about = {"patient": f"{split}-{source}-{number}", "split": split, "source": source, "scan": "one"}
                measures = {"diameter_mm": 6.5, "score": 0.5 if kind == "found" else None}
                rows.append({**about, "kind": kind, "z": 1.0, "y": 11.5, "x": 11.5, **measures})
                patches.append(ball_or_bar(kind, rng))
        none = np.zeros(0, np.int64)
        sections = Sections(np.zeros((0, 28, 28), np.float32), dict.fromkeys(TASK_NAMES, none), np.zeros(0, str))
        write_sections(root, split, sections)
    write_candidates(root, rows, patches, STORED)
    description = CohortDescription(
        name="shapes",
        synthetic=True,
        origin="the tests",
        fingerprint=contents_digest([sections] * 3, *candidate_digests(root)),
        key="",
        section=SectionSettings(),
    )
    write_cohort(root, description)
    return root


@pytest.fixture(scope="session")
def candidate_cohort(tmp_path_factory) -> Path:
    return write_candidate_cohort(tmp_path_factory.mktemp("candidates"))


@pytest.fixture(scope="session")
def candidate_config(candidate_cohort: Path, tmp_path_factory) -> Path:
    """The shipped configuration on the tests' cohort, with a smaller network."""
    tree = yaml.safe_load(SHIPPED.read_text())
    for part in ("train_dataset", "val_dataset", "test_dataset"):
        tree[part]["dataset_root"] = str(candidate_cohort)
    tree["train_dataset"]["augmentation"]["shift_mm"] = 0.5
    tree["patch"].update(slices=3, size=16)
    tree["model"].update(width=4, fully_connected=8)
    tree.update(batch_size=16, iters=30)
    tree["checkpoint"] = {"every": 10, "validate_every": 10}
    path = tmp_path_factory.mktemp("config") / "config.yml"
    path.write_text(yaml.safe_dump(tree))
    return path
