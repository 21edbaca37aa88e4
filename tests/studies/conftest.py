"""Studies small enough to plan without training, on a cohort of which there is only the description."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lung_ssp.cohort.description import CohortDescription, write_cohort
from lung_ssp.ct.settings import SectionSettings

SPLITS = ("train", "val", "test")
STUDY: dict[str, Any] = {
    "task": "study",
    "name": "tiny",
    "title": "A question",
    "base": "classification/smoke.yml",
    "variants": {
        "single": {"title": "single task", "overrides": ["model.sharing=single_task"]},
        "partial": {"overrides": ["model.sharing=partial_soft_sharing"]},
    },
    "reference": "single",
    "seeds": [0, 1],
    "metrics": {
        "accuracy": {
            "source": "evaluation",
            "title": "Accuracy",
            "key": "comparisons.image_against_reader.accuracy",
        }
    },
}


def describe(root: Path, fingerprint: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    write_cohort(
        root,
        CohortDescription(
            name="few", synthetic=True, origin="phantoms", fingerprint=fingerprint, key="k", section=SectionSettings()
        ),
    )
    return root


@pytest.fixture
def describe_cohort() -> Callable[[Path, str], Path]:
    """Writes a cohort.json with a fingerprint, and nothing else: enough for a plan."""
    return describe


@pytest.fixture
def write_study(tmp_path: Path) -> Callable[..., Path]:
    """Writes a study's file; arguments replace its keys, None takes one out."""
    root = describe(tmp_path / "cohort", "0123456789abcdef")

    def write(**changes: Any) -> Path:
        tree = {**STUDY, "overrides": [f"{split}_dataset.dataset_root={root}" for split in SPLITS], **changes}
        path = tmp_path / "study.yml"
        path.write_text(
            yaml.safe_dump({key: value for key, value in tree.items() if value is not None}, sort_keys=False)
        )
        return path

    return write
