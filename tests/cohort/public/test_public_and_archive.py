"""A nodule of LIDC-IDRI from its scan and the same nodule from an archive are the same sample.

The archive at hand does not hold LIDC-IDRI-0001, the only real scan of LIDC: its entry is made here from the scan as
the archive's README describes it, HU in 256 grey values, votes filled by another way than the package's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.nodules.store import read_nodules
from lung_ssp.cohort.ratings import RATINGS
from lung_ssp.cohort.scans import read_scans
from lung_ssp.cohort.store import SPLITS, read_sections
from lung_ssp.ct.series import Series
from lung_ssp.preparation import prepare

PATIENT, CROP = "LIDC-IDRI-0001", 128
DIAGNOSED = """TCIA Patient ID,Diagnosis at the Patient Level,Diagnosis Method,Nodule 1 Diagnosis at the Nodule Level,\
Nodule 1 Diagnosis Method at the Nodule Level
LIDC-IDRI-0001,2,3,2,3
"""  # invented: the table has no LIDC-IDRI-0001


@pytest.fixture(scope="module")
def archive(  # type: ignore[no-untyped-def]
    scan: tuple[Path, Path, Series],
    drawn: tuple[np.ndarray, dict[str, str]],
    write_archive: Callable[[Path], Path],
    tmp_path_factory,
) -> Path:
    """The entry of LIDC-IDRI-0001 beside synthetic nodules, of which five folds need some."""
    _, _, series = scan
    folder = write_archive(tmp_path_factory.mktemp("archive") / "archive")
    masks, ratings = drawn
    marked = masks.any(axis=(0, 2, 3))
    centre = [int(middle) for middle in ndimage.center_of_mass(masks.any(axis=0))[1:]]
    crop = np.s_[marked, centre[0] - CROP // 2 : centre[0] + CROP // 2, centre[1] - CROP // 2 : centre[1] + CROP // 2]
    hu = series.volume.hu[crop].astype(np.float64)
    low, high = hu.min(axis=(1, 2), keepdims=True), hu.max(axis=(1, 2), keepdims=True)
    steps = (high - low) / 255
    grey = np.rint((hu - low) / steps)
    votes = masks[(slice(None), *crop)].sum(axis=0)
    own = {
        "nodule": 12,
        "nodule_id": f"{PATIENT}/nodule-0",
        "patient": 99,
        "n_slices": len(hu),
        "pixel_mm": series.volume.spacing[1],
        "slice_spacing_mm": series.volume.spacing[0],
        "n_readers": len(masks),
        "n_annotations": len(masks),
        "reader_mask_missing": 0,
        **ratings,
        "diameter_consensus_mm": 20.0,
        "patient_dx": 2,
        "patient_dx_method": 3,
        "lidc_nodules_of_patient": 1,
        "nodule_dx": 2,
        "nodule_dx_method": 3,
        "dice_pairwise": "",
        "dice_vs_majority": "",
        "series_uid": series.volume.series_uid,
    }
    add_to_archive(folder, own, np.rint(grey * steps + low).astype(np.int16), votes, heights(series)[marked])
    return folder


def heights(series: Series) -> np.ndarray:
    return series.volume.to_world(np.array([(z, 0, 0) for z in range(series.volume.shape[0])]))[:, 2]


def add_to_archive(folder: Path, row: dict[str, Any], hu: np.ndarray, votes: np.ndarray, z_mm: np.ndarray) -> None:
    with np.load(folder / "lidc_nodules.npz") as file:
        arrays = dict(file)
    wide = (CROP - arrays["hu"].shape[1]) // 2
    around = ((0, 0), (wide, wide), (wide, wide))
    np.savez(
        folder / "lidc_nodules.npz",
        hu=np.concatenate([np.pad(arrays["hu"], around, constant_values=-850), hu]),
        readers=np.concatenate([np.pad(arrays["readers"], around), votes.astype(np.uint8)]),
        n_readers=np.concatenate([arrays["n_readers"], np.full(len(hu), row["n_readers"], np.uint8)]),
        nodule=np.concatenate([arrays["nodule"], np.full(len(hu), row["nodule"], np.int32)]),
    )
    slices = pd.read_csv(folder / "slices.csv")
    own = pd.DataFrame({"slice": len(slices) + np.arange(len(hu)), "nodule": 12, "patient": 99, "z_mm": z_mm})
    pd.concat([slices, own]).to_csv(folder / "slices.csv", index=False)
    nodules = pd.read_csv(folder / "nodules.csv", dtype=str, keep_default_na=False)
    pd.concat([nodules, pd.DataFrame([row])]).to_csv(folder / "nodules.csv", index=False)


@pytest.fixture
def of_archive(archive: Path, tmp_path: Path) -> Path:
    words = [f"cohort.archive={archive}", f"cohort.root={tmp_path / 'archived'}"]
    return prepare("cohort/lidc_nodules.yml", words).root


def test_a_downloaded_dicom_scan_and_an_archive_give_the_same_sample(  # type: ignore[no-untyped-def]
    scan,
    of_archive,
    prepare_lidc,
    tmp_path: Path,
) -> None:
    _, xml, series = scan
    (tmp_path / "diagnoses.csv").write_text(DIAGNOSED)
    cohort, settings = prepare_lidc(
        "own", [], [f"folders.annotations={xml.parent}", f"labels.table={tmp_path / 'diagnoses.csv'}"]
    )

    (archived,) = (
        nodule for split in SPLITS for nodule in read_nodules(of_archive, split) if nodule.patient == PATIENT
    )
    row = pd.read_csv(cohort / "sections.csv", dtype=str).iloc[0]
    read = {task: int(row[f"{task}_label"]) for task in ("image", "pathology")}
    assert read == {"image": archived.row.image_label, "pathology": archived.row.pathology_label}
    assert read == {"image": 2, "pathology": 1}
    assert read_cohort(cohort).class_names == read_cohort(of_archive).class_names
    for rating in RATINGS:
        assert row[rating] == ";".join(map(str, getattr(archived.row, rating))), rating
    assert int(row["diagnosis_method"]) == archived.row.diagnosis_method == 3

    (kept,) = read_scans(cohort)
    assert kept.masks is not None
    with np.load(kept.masks) as masks:
        lesions = masks["lesions"]
    z = np.flatnonzero(lesions.any(axis=(1, 2)))
    own = np.isin(np.round(archived.z_mm, 3), np.round(heights(series)[z], 3))
    assert own.sum() == len(z) and not archived.majority[~own].any()
    assert archived.spacing.tolist() == list(series.volume.spacing)
    inside = cut_to(lesions[z] != 0)
    assert (inside == cut_to(archived.majority[own])).all() and inside.sum() == 5428

    half_step = 0.5 * (archived.hu.max(axis=(1, 2)) - archived.hu.min(axis=(1, 2))) / 255
    offset = place_of(lesions[z] != 0) - place_of(archived.majority[own])
    part = np.s_[:, offset[0] : offset[0] + CROP, offset[1] : offset[1] + CROP]
    difference = np.abs(series.volume.hu[z][part].astype(int) - archived.hu[own])
    assert (
        difference.max(axis=(1, 2)) <= half_step[own] + 0.5
    ).all()  # and half a HU, since the archive is in whole ones

    image = read_sections(cohort, "train").images[0]
    (other,) = (
        sections.images[place]
        for sections in (read_sections(of_archive, split) for split in SPLITS)
        for place in np.flatnonzero(sections.patients == PATIENT)
    )
    low, high = settings.series.section.window_hu
    assert np.abs(image - other).max() <= (half_step.max() + 0.5) / (high - low)
    assert np.corrcoef(image.ravel(), other.ravel())[0, 1] > 0.9999


def place_of(mask: np.ndarray) -> np.ndarray:
    """The first row and column of a mask (z, y, x)."""
    return np.array([np.flatnonzero(mask.any(axis=axes))[0] for axes in ((0, 2), (0, 1))])


def cut_to(mask: np.ndarray) -> np.ndarray:
    """A mask (z, y, x) in the rows and columns that it has."""
    return mask[:, mask.any(axis=(0, 2))][:, :, mask.any(axis=(0, 1))]
