"""A cohort whose slices show bright balls in dark lungs: small, but enough to learn something from."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from lung_ssp.cohort.description import CohortDescription, write_cohort
from lung_ssp.cohort.slices import slices_path, write_slices
from lung_ssp.ct.settings import SectionSettings, WorkingGridSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import LungSlices
from lung_ssp.files import write_text

SHIPPED = Path(__file__).parents[2] / "configs" / "segmentation"
SHAPE = (12, 48, 56)
SETTINGS = WorkingGridSettings()
PATIENTS = {"a": "train", "b": "train", "c": "train", "d": "validation", "e": "validation"}


def make_ball_scan(seed: int) -> LungSlices:
    """Lungs of -850 HU in a wall of 40 HU, with noise, and two balls of 30 HU: labels 1 and 2."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(SHAPE)
    lungs = (((y - 24) / 20) ** 2 + ((x - 28) / 24) ** 2 < 1) & (z > 0) & (z < 11)
    lesions = np.zeros(SHAPE, np.uint8)
    for label, column in ((1, 18), (2, 38)):
        centre = (rng.uniform(3, 8), rng.uniform(20, 28), column + rng.uniform(-2, 2))
        distance = np.sqrt((2 * (z - centre[0])) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
        lesions[distance < 4] = label
    hu = np.where(lungs, -850, 40) + (lesions > 0) * 880 + rng.normal(0, 25, SHAPE)
    spacing = (2.5, 1.4, 1.4)
    return LungSlices(Volume(hu.astype(np.int16), spacing), lungs, lesions)


@pytest.fixture
def shipped_tree() -> dict:
    """The shipped configuration of the improved U-Net, as YAML has it, for a test to change."""
    return yaml.safe_load((SHIPPED / "improved_unet.yml").read_text())


@pytest.fixture(scope="session")
def ball_scan():
    """The maker of the cohort's scans: patient number to slices."""
    return make_ball_scan


@pytest.fixture(scope="session")
def slice_cohort(tmp_path_factory) -> Path:
    """Three training and two validation scans, prepared as slices."""
    root = tmp_path_factory.mktemp("slice_cohort")
    write_cohort(
        root,
        CohortDescription(
            name="balls", synthetic=True, origin="random numbers", fingerprint="00", key="", section=SectionSettings()
        ),
    )
    rows = [f"{patient},{split},scans/{patient},scans/{patient}.npz" for patient, split in PATIENTS.items()]
    write_text(root / "scans.csv", "\n".join(["patient,split,series,masks", *rows]) + "\n")
    made_with = json.dumps({"slices": SETTINGS.model_dump()})
    for seed, patient in enumerate(PATIENTS):
        write_slices(slices_path(root, patient), make_ball_scan(seed), made_with)
    return root
