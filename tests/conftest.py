"""Fixtures that more than one room's tests use."""

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pandas as pd
import pytest
from hypothesis import settings

from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.nlst.plan import make_plan
from lung_ssp.cohort.nlst.pseudonyms import open_pseudonyms
from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.cohort.phantom.make import make_phantom_cohort
from lung_ssp.cohort.phantom.settings import ClassCounts, PhantomCohortSettings, PhantomSettings
from lung_ssp.cohort.phantom.simulated_nlst.archive import write_simulated_nlst
from lung_ssp.cohort.ratings import RATINGS
from lung_ssp.config import load_config
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.preparation import prepare
from lung_ssp.tasks import read_training
from lung_ssp.training.checkpoint import network_arrays, save_checkpoint
from lung_ssp.training.run import open_run

# The same examples in every run, so that a change is judged by what it changes.
settings.register_profile("project", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("project")

REPOSITORY = Path(__file__).resolve().parents[1]
SIMULATED_NLST_CONFIG = REPOSITORY / "configs" / "cohort" / "simulated_nlst.yml"
PLANNED_FROM = {"index": "index.parquet", "boxes.sybil": "boxes.json"}

# Fixtures that take seconds, whose tests are slow by that alone.
COSTLY_FIXTURES = {"lidc_series", "make_small_scans", "tiny_cohort", "browser"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a costly fixture, directly or through another, as slow."""
    for item in items:
        if COSTLY_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real scans and nodules, which the project does not ship; LUNG_SSP_REAL_DATA may name it."""
    folder = Path(os.environ.get("LUNG_SSP_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set LUNG_SSP_REAL_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def lidc_series(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the 133 DICOM slices of LIDC-IDRI-0001, and the readers' XML beside them."""
    archive = shared_data / "lidc-idri" / "LIDC-IDRI-0001.tar.xz"
    if not archive.is_file():
        pytest.skip(f"no real scan: {archive} is missing")
    folder = tmp_path_factory.mktemp("lidc")
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")  # Playwright's event loop would be in the way of other modules' own
def browser() -> Iterator[Any]:
    """The system's Chromium without a window, a Browser of Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra test)")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no browser: install Chromium (on Debian: apt-get install chromium)")
    words = ["--no-sandbox"] if os.geteuid() == 0 else []  # which root cannot have
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=chromium, args=words)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def tiny_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cohort of `make smoke`."""
    root = tmp_path_factory.mktemp("tiny") / "cohort"
    return prepare("cohort/phantom_smoke.yml", [f"cohort.root={root}"]).root


def untrained_run(name: str, cohort: Path, folder: Path) -> Path:
    """A run folder whose best checkpoint is the network's first weights."""
    roots = [f"{part}_dataset.dataset_root={cohort}" for part in ("train", "val")]
    roots += [f"test_dataset.dataset_root={cohort}"] if name == "classification" else []
    task, config = read_training(f"{name}/smoke.yml", roots)
    open_run(folder, config.text(), {}, cohort, resume=False)
    paddle.seed(0)
    # the classifier's normalisation comes from its cohort
    network = task.build(config).task.network if name == "classification" else task.build_network(config)
    save_checkpoint(
        folder / "checkpoints", "best", 0, network_arrays(network), {"score_name": "untrained", "score": 0.0}
    )
    return folder


@pytest.fixture(scope="session")
def make_small_scans() -> Callable[[Path, list[int], dict[str, int]], Path]:
    """Makes an embedded cohort of few coarse scans, as DICOM files with their true masks, and hardly any sections."""

    def make(root: Path, patients: list[int], lesions: dict[str, int]) -> Path:
        few = dict.fromkeys(ClassCounts.model_fields, 0) | {"normal": 1, "adenocarcinoma": 1}
        scans = {"patients": patients, "lesions": few | lesions, "size": 96, "slices": [30, 40], "slice_mm": [8.0, 9.0]}
        sections = {"counts": dict.fromkeys(("train", "validation", "test"), few)}
        settings = PhantomCohortSettings.model_validate({"phantom": {"sections": sections, "scans": scans}})
        make_phantom_cohort(root, settings, SectionSettings(), seed=1, processes=1)
        return root

    return make


@pytest.fixture(scope="session")
def runs(tiny_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A segmentation run and a classification run."""
    folder = tmp_path_factory.mktemp("runs")
    return (
        untrained_run("segmentation", tiny_cohort, folder / "segmentation"),
        untrained_run("classification", tiny_cohort, folder / "classification"),
    )


@pytest.fixture(scope="session")
def series(tiny_cohort: Path) -> Path:
    """The DICOM files of one synthetic scan."""
    return sorted(path for path in (tiny_cohort / "scans").iterdir() if path.is_dir())[0]


@pytest.fixture(scope="session")
def simulated_nlst(make_small_scans: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an embedded cohort of six small scans that is written as a simulated NLST too."""
    root = tmp_path_factory.mktemp("simulated_nlst") / "phantoms"
    make_small_scans(root, [4, 1, 1], {"normal": 7, "adenocarcinoma": 3, "small_cell": 2})
    cohort = read_cohort(root)
    generator = cohort.generator
    assert generator is not None
    settings = PhantomSettings.model_validate(generator.settings)
    write_simulated_nlst(root, settings, generator.seed, cohort.key)
    return root


@pytest.fixture(scope="session")
def plan_nlst(simulated_nlst: Path) -> Callable[..., NlstSettings]:
    """Gives the settings of configs/cohort/simulated_nlst.yml on that cohort, with a plan and outputs in one folder."""

    def plan(work: Path, *overrides: str, images: Path | None = None) -> NlstSettings:
        folders = {name: work / name for name in ("plan", "samples", "cohort", "salt")}
        folders |= {
            "images": images or simulated_nlst / "simulated_nlst" / "images",
            "tables": simulated_nlst / "tables",
        }
        (work / "salt").write_text("5a" * 32)
        own = [f"folders.{name}={path}" for name, path in folders.items()]
        own += [f"plan.{name}={simulated_nlst}/simulated_nlst/{file}" for name, file in PLANNED_FROM.items()]
        settings = load_config(SIMULATED_NLST_CONFIG, NlstSettings, [*own, *overrides]).settings
        make_plan(settings.plan, work / "plan", open_pseudonyms(work / "salt"))
        return settings

    return plan


SYNTHETIC_PATIENTS, NODULE_SIZE, NODULE_SLICES = 11, 24, 3


def write_synthetic_archive(folder: Path) -> Path:
    """A tiny archive of synthetic nodules, bright disks in air; no patient is behind them.

    Eleven patients, the first with two nodules; ratings of three readers rise from patient to patient.
    """
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:NODULE_SIZE, :NODULE_SIZE] - (NODULE_SIZE - 1) / 2
    distance = np.hypot(rows, columns)
    nodules: list[dict[str, Any]] = []
    slices: list[dict[str, Any]] = []
    hu, readers = [], []
    for patient in [0, *range(SYNTHETIC_PATIENTS)]:
        number = len(nodules)
        rating = 1 + patient % 5
        for place in range(NODULE_SLICES):
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
                "n_slices": NODULE_SLICES,
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


@pytest.fixture(scope="session")
def write_archive() -> Callable[[Path], Path]:
    """Writes a tiny archive of synthetic nodules into a folder."""
    return write_synthetic_archive
