"""A tiny archive of synthetic nodules: bright disks in air, rated as the fixture says. No patient is behind them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lung_ssp.cohort.nodules.readings import RATINGS
from lung_ssp.cohort.nodules.settings import NodulePreparationSettings

PATIENTS, SIZE, SLICES = 11, 24, 3
SOURCE = {"origin": "SYNTHETIC disks", "licence": "none", "citation": "Nobody. Tests of lung_ssp."}


def write_synthetic_archive(folder: Path) -> Path:
    """Eleven patients, the first with two nodules; ratings of three readers rise from patient to patient."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    distance = np.hypot(rows, columns)
    nodules: list[dict[str, Any]] = []
    slices: list[dict[str, Any]] = []
    hu, readers = [], []
    for patient in [0, *range(PATIENTS)]:
        number = len(nodules)
        rating = 1 + patient % 5
        for place in range(SLICES):
            radius = 4 if place == 1 else 2
            hu.append((np.where(distance < radius, 0, -850) + rng.integers(-50, 50, distance.shape)).astype(np.int16))
            readers.append(sum((distance < radius + grow).astype(np.uint8) for grow in (-1, 0, 1)))
            slices.append({"slice": len(slices), "nodule": number, "patient": patient, "z_mm": -100 + 2.5 * place})
        hu[-1][0, 0] = -3024  # padding
        nodules.append(
            {
                "nodule": number,
                "nodule_id": f"SYN-{patient:02d}/nodule-{number}",
                "patient": patient,
                "n_slices": SLICES,
                "pixel_mm": 2.0,
                "slice_spacing_mm": 2.5,
                "n_readers": 3,
                "n_annotations": 3,
                "reader_mask_missing": 0,
                **{name: ";".join([str(min(rating, most))] * 3) for name, most in RATINGS.items()},
                "diameter_consensus_mm": 16.0,
                "patient_dx": patient % 4,
                "patient_dx_method": patient % 4,
                "lidc_nodules_of_patient": 2 if patient == 0 else 1,
                "nodule_dx": -1,
                "nodule_dx_method": -1,
                "dice_pairwise": 0.75,
                "dice_vs_majority": "0.7;0.8;0.9",
                "series_uid": f"1.2.{patient}",
            }
        )
    folder.mkdir(parents=True, exist_ok=True)
    owner = np.array([row["nodule"] for row in slices])
    np.savez(
        folder / "lidc_nodules.npz",
        hu=np.stack(hu),
        readers=np.stack(readers),
        n_readers=np.full(len(owner), 3, np.uint8),
        nodule=owner.astype(np.int32),
    )
    pd.DataFrame(nodules).to_csv(folder / "nodules.csv", index=False)
    pd.DataFrame(slices).to_csv(folder / "slices.csv", index=False)
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_synthetic_archive(tmp_path / "archive")


@pytest.fixture
def settings_of() -> Callable[..., NodulePreparationSettings]:
    """Settings for an archive and a folder; keyword arguments change those of the cohort."""

    def make(archive: Path, root: Path, **cohort: object) -> NodulePreparationSettings:
        own = {"name": "synthetic disks", "root": str(root), "archive": str(archive), "source": SOURCE, **cohort}
        return NodulePreparationSettings.model_validate({"task": "nodules", "cohort": own})

    return make
