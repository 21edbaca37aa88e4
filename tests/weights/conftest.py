"""A classification run that is trained to its end, evaluated and exported, with numbers in place of a network."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml

from lung_ssp.classification.temperature import Temperature, write_temperatures
from lung_ssp.cohort.description import CohortCounts, CohortDescription, write_cohort
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.files import write_json
from lung_ssp.training.checkpoint import save_checkpoint
from lung_ssp.training.evaluation import Metrics, record_evaluation, write_metrics
from lung_ssp.training.run import best_fingerprint, read_best

WEIGHTS = {"network/fc3.weight": np.arange(200, dtype=np.float32) / 3, "network/alphas": np.eye(2, dtype=np.float32)}
MODEL = b"head" + WEIGHTS["network/fc3.weight"].tobytes() + b"tail"
STEPS = 3  # of one epoch of 4 sections in batches of 2, as the protocol counts them
ROOT = "/home/somebody/output/cohort"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    splits = {"train": "train", "val": "validation", "test": "test"}
    config = {
        "task": "classification",
        "batch_size": 2,
        "epochs": 1,
        **{
            f"{name}_dataset": {"type": "SectionDataset", "dataset_root": ROOT, "mode": mode}
            for name, mode in splits.items()
        },
        "model": {"type": "TwoTaskClassifier", "fully_connected": 8, "conv_channels": [2, 3]},
    }
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    cohort = CohortDescription(
        name="disks",
        synthetic=False,
        origin="disks of nobody; no licence; cite nobody",
        leaks=(
            "the nodule N-1 (patient Quixote, train) and the nodule N-2 (patient Panza, test) show the same lesion",
        ),
        fingerprint="cafe",
        key="0",
        section=SectionSettings(),
        counts=CohortCounts(sections={"train": 4, "validation": 2, "test": 2}),
    )
    write_cohort(folder, cohort)
    (folder / "splits.csv").write_text("patient,split\nQuixote,train\n")
    state = {"score_name": "accuracy", "score": 0.5}
    save_checkpoint(folder / "checkpoints", "best", 2, WEIGHTS, state)
    optimizer = {"optimizer/fc3.weight/moment1": np.zeros(2, np.float32)}
    save_checkpoint(folder / "checkpoints", "latest", STEPS, {**WEIGHTS, **optimizer}, {})
    evaluate(folder)
    facts = {"weights_fingerprint": best_fingerprint(folder), "sha256": hashlib.sha256(MODEL).hexdigest()}
    write_json(folder / "export" / "export.json", facts)
    (folder / "export" / "network.onnx").write_bytes(MODEL)
    return folder


def evaluate(run: Path) -> None:
    """What an evaluation leaves behind."""
    best, _ = read_best(run)
    write_temperatures(run, best.fingerprint, {"image": Temperature(0.5, 40)})
    write_metrics(run, Metrics("disks of nobody", False, "cafe", best), "a report\n")
    record_evaluation(run, {"weights": best.fingerprint, "cohort": "cafe"}, ["calibration.json"])
