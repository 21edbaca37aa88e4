"""A cohort whose slices show bright balls in dark lungs: small, but enough to learn something from."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from lung_ssp.cohort.description import CohortDescription, NoduleDescription, write_cohort
from lung_ssp.cohort.nodules.archive import ArchivedNodule, RecordedDiagnosis
from lung_ssp.cohort.nodules.store import write_nodules
from lung_ssp.cohort.ratings import RATINGS
from lung_ssp.cohort.slices import slices_path, write_slices
from lung_ssp.cohort.store import SPLITS, Sections, write_sections
from lung_ssp.ct.settings import SectionSettings, WorkingGridSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import NOT_COUNTED, LungSlices
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


NODULES = {"train": 3, "validation": 2, "test": 3}  # in each split, each of a patient of its own
TEXTURES = {"train": 5, "validation": 5, "test": 1}


def make_nodule(name: str, seed: int, readers: int = 4, missing: bool = False) -> ArchivedNodule:
    """A ball of 30 HU in lung, 5 slices of 40 x 40 pixels, one of them missing; a fourth reader marks it smaller."""
    rng = np.random.default_rng(seed)
    z_mm = np.array([-10.0, -8.0, -6.0, -2.0, 0.0])
    y, x = np.indices((40, 40))
    inside = np.sqrt((z_mm + 5)[:, None, None] ** 2 + ((y - 20) * 0.7) ** 2 + ((x - 18) * 0.7) ** 2)
    votes = (readers - 1) * (inside < 6).astype(np.uint8) + (inside < 4)
    hu = np.where(inside < 6, 30, -850) + rng.normal(0, 25, inside.shape)
    nothing = RecordedDiagnosis(-1, -1)
    return ArchivedNodule(
        name=name,
        patient=f"patient-{seed}",
        hu=hu.astype(np.int16),
        readers=votes.astype(np.uint8),
        z_mm=z_mm,
        spacing=(2.0, 0.7, 0.7),
        n_readers=readers,
        reader_mask_missing=missing,
        ratings=dict.fromkeys(RATINGS, (1,) * readers),
        diameter_mm=12.0,
        diagnosis=nothing,
        patient_diagnosis=nothing,
        nodules_of_patient=1,
        dice_vs_majority=(0.75,) * 4 if readers == 4 else (),
        dice_pairwise=None,
        series="",
    )


def write_nodule_cohort(root: Path, name: str = "votes", test_first: bool = False) -> Path:
    """A prepared cohort of balls in the form of real nodules: three training, two validation, three test patients.

    The last test nodule lacks a reader's mask. With `test_first` the training and the test patients change places.
    """
    nodules, rows = [], []
    numbers = dict.fromkeys(NODULES, 0)
    for seed, split in enumerate(split for split, count in NODULES.items() for _ in range(count)):
        number = numbers[split]
        numbers[split] += 1
        missing = split == "test" and number == NODULES["test"] - 1
        nodule = make_nodule(f"patient-{seed}-nodule-0", seed, readers=3 if number == 1 else 4, missing=missing)
        own = {"train": "test", "test": "train"}.get(split, split) if test_first else split
        nodules.append(nodule)
        rows.append(_row_of(nodule, own, list(NODULES).index(split), TEXTURES[split]))
    write_nodules(root, nodules, rows)
    for split in SPLITS:
        patients = np.array([row["patient"] for row in rows if row["split"] == split], dtype=str)
        none = np.full(len(patients), -1)
        images = np.zeros((len(patients), 28, 28), np.float32)
        write_sections(root, split, Sections(images, {"image": none, "pathology": none}, patients))
    write_cohort(
        root,
        CohortDescription(
            name=name,
            synthetic=True,
            origin="balls",
            fingerprint=f"{name}-{int(test_first)}",
            key="",
            section=SectionSettings(),
            nodules=NoduleDescription(
                licence="free", citation="the tests", nodules=8, patients=8, folds=5, fold_seed=0, test_fold=2,
                tissue_proven_only=False, binary={},
            ),
        ),
    )  # fmt: skip
    return root


def _row_of(nodule: ArchivedNodule, split: str, fold: int, texture: int) -> dict:
    agreement = nodule.dice_vs_majority
    labels = ("image_label", "pathology_label", "diagnosis_method", "patient_diagnosis", "patient_diagnosis_method")
    return {
        "name": nodule.name,
        "patient": nodule.patient,
        "split": split,
        "fold": fold,
        "n_readers": nodule.n_readers,
        "reader_mask_missing": int(nodule.reader_mask_missing),
        "pixel_mm": nodule.spacing[1],
        "slice_spacing_mm": nodule.spacing[0],
        "diameter_mm": nodule.diameter_mm,
        "texture_mean": texture,
        "malignancy_mean": 3,
        **nodule.ratings,
        **dict.fromkeys(labels, -1),
        "dice_vs_majority": float(np.mean(agreement)) if agreement else None,
        "dice_pairwise": None,
    }


@pytest.fixture(scope="session")
def nodule_cohort(tmp_path_factory) -> Path:
    """Balls in the form of real nodules with readers' votes."""
    return write_nodule_cohort(tmp_path_factory.mktemp("nodule_cohort"))


@pytest.fixture(scope="session")
def write_nodules_to():
    """The maker of such cohorts."""
    return write_nodule_cohort


@pytest.fixture(scope="session")
def lungs_without_lesions(tmp_path_factory) -> Path:
    """Slices of one training scan without a lesion, on the tests' working grid, with a part that does not count."""
    root = tmp_path_factory.mktemp("no_lesions")
    scan = make_ball_scan(7)
    lesions = np.where(scan.lesions == 1, NOT_COUNTED, 0).astype(np.uint8)
    write_cohort(
        root,
        CohortDescription(
            name="none", synthetic=True, origin="noise", fingerprint="11", key="", section=SectionSettings()
        ),
    )
    none = {"image": np.zeros(0, int), "pathology": np.zeros(0, int)}
    for split in SPLITS:
        write_sections(root, split, Sections(np.zeros((0, 28, 28), np.float32), none, np.zeros(0, str)))
    write_text(root / "scans.csv", "patient,split,series,masks\nz,train,scans/z,scans/z.npz\n")
    write_slices(
        slices_path(root, "z"),
        LungSlices(scan.scan, scan.lungs, lesions),
        json.dumps({"slices": SETTINGS.model_dump()}),
    )
    return root
