"""Small DICOM series with all that scanners write, and diagnoses of them that no network has made."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from lung_ssp.candidates.settings import JudgementSettings
from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.ct.lesion import Candidate, lesion_from_mask
from lung_ssp.ct.lung_remarks import SideOfLungs
from lung_ssp.ct.parenchyma import LungMask
from lung_ssp.ct.series import Series, open_series
from lung_ssp.ct.settings import GapSettings, NoduleSettings, ParenchymaSettings
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.finding import Finding
from lung_ssp.diagnosis.learnt_from import Weights
from lung_ssp.diagnosis.settings import DiagnosisSettings
from lung_ssp.segmentation.predict import NoduleSegmentation

ROOT = "1.2.826.0.1.3680043.8.498.7"
SHAPE = (18, 20, 24)
AXIAL = (1, 0, 0, 0, 1, 0)
PATIENT = {
    "PatientName": "Quixote^Dulcinea",
    "PatientID": "MRN-7391",
    "PatientBirthDate": "19510203",
    "PatientSex": "F",
}
STUDY = {"StudyDate": "20190817", "StudyTime": "131415", "StudyID": "STUDY-404", "AccessionNumber": "ACC-55501"}


def write_series(
    folder: Path,
    orientation: tuple[float, ...] = AXIAL,
    edit: Callable[[FileDataset, int], None] | None = None,
    missing: Collection[int] = (),
) -> Path:
    """Write 18 slices under shuffled names; slice i lies at 2.5 mm * i along the normal, `missing` are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    names = np.random.default_rng(2).permutation(SHAPE[0])
    for index, plane in enumerate(hu()):
        if index in missing:
            continue
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"{ROOT}.1.{index + 1}"
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{ROOT}.9", f"{ROOT}.1"
        dataset.FrameOfReferenceUID = f"{ROOT}.8"
        for keyword, value in (PATIENT | STUDY).items():
            setattr(dataset, keyword, value)
        dataset.Modality, dataset.InstanceNumber, dataset.SliceThickness = "CT", int(names[index]), 99
        dataset.ImagePositionPatient = [f"{one:.6f}" for one in (-100.0, -120.0, 30.0) + index * 2.5 * normal]
        dataset.ImageOrientationPatient = [f"{one:.9f}" for one in orientation]
        dataset.PixelSpacing = ["0.8", "0.7"]
        dataset.Rows, dataset.Columns = plane.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
        dataset.PixelData = plane.astype("<i2").tobytes()
        if edit is not None:
            edit(dataset, index)
        dataset.save_as(folder / f"{names[index]:06d}.dcm", enforce_file_format=True)
    return folder


def hu() -> np.ndarray:
    """Slices with air, lung, fat, soft tissue and bone, int16 (z, y, x), no two alike."""
    rng = np.random.default_rng(1)
    slices = rng.normal(0, 10, SHAPE) + np.array([-1000, -850, -100, 40, 40, 700])[np.arange(SHAPE[2]) // 4]
    slices[np.arange(SHAPE[0]), 5, 10] = 1000 + np.arange(SHAPE[0])
    return np.rint(np.clip(slices, -1024, 3071)).astype(np.int16)


def diagnosis_of(series: Series, findings: int = 3, judged: bool = False) -> Diagnosis:
    """A diagnosis of a series: lungs and findings of random voxels, so that no turn of them looks like another."""
    scan, rng = series.volume, np.random.default_rng(3)
    mask = rng.random(scan.shape) < 0.4
    mask[:2] = False
    sides = SideOfLungs("right", 2000.0, 0.1), SideOfLungs("left", 1800.5, 0.1)
    lungs = LungMask(mask, mask, mask, -500.0, 3800.5, *sides, middle_column=scan.shape[2] // 2, first_is_right=True)
    found = []
    for number in range(1, findings + 1):
        inside = np.zeros(scan.shape, bool)
        # the first two lie in the first columns, before the middle, the third beyond it
        inside[2 * number : 2 * number + 3, 4:9, 6 * number - 5 : 6 * number - 1] = rng.random((3, 5, 4)) < 0.6
        candidate = Candidate(lesion_from_mask(inside, scan), 0.9 - 0.1 * number, -123.456, 0.5 if judged else None)
        probabilities = {task: rng.dirichlet(np.ones(9)) for task in ("image", "pathology")}
        names = dict.fromkeys(("image", "pathology"), CLASS_NAMES)
        found.append(Finding(number, candidate, np.zeros((28, 28), np.float32), probabilities, names))
    weights = Weights(10, "0123456789abcdef", False, "made up", True, "a SYNTHETIC cohort", "fedcba9876543210")
    nothing = NoduleSegmentation(candidates=[], box=(slice(0, 1),) * 3, probability=np.zeros((1, 1, 1), np.float32))
    return Diagnosis(
        found,
        scan,
        lungs,
        nothing,
        series.corrections,
        series.doubts,
        {},
        DiagnosisSettings(
            parenchyma=ParenchymaSettings(),
            nodules=NoduleSettings(),
            candidates=JudgementSettings() if judged else None,
        ),
        dict.fromkeys(("segmentation", "classification", *(("candidates",) if judged else ())), weights),
        {"segmentation": "paddle", "classification": "paddle"},
        {},
        stored_direction=series.stored_direction,
        dicom=series.dicom,
    )


def diagnose(source: Path, findings: int = 3, judged: bool = False, **choices: Any) -> Diagnosis:
    """The diagnosis of what lies there."""
    return diagnosis_of(open_series(source, **choices), findings, judged)


def diagnose_in_a_gap(folder: Path, missing: Collection[int], inside: int, **choices: Any) -> Diagnosis:
    """The diagnosis of a series without some slices; its one finding lies where slice `inside` would."""
    source = write_series(folder, missing=missing, **choices)
    diagnosis = diagnose(source, 1, accept=("gaps",), gaps=GapSettings(largest_share=0.2))
    from_feet = diagnosis.stored_direction == diagnosis.scan.direction
    mask = np.zeros(diagnosis.scan.shape, bool)
    mask[inside if from_feet else SHAPE[0] - 1 - inside, 4:7, 4:7] = True
    (finding,) = diagnosis.findings
    candidate = replace(finding.candidate, lesion=lesion_from_mask(mask, diagnosis.scan))
    return replace(diagnosis, findings=[replace(finding, candidate=candidate)])


@pytest.fixture
def small_series(tmp_path: Path) -> Path:
    """An ordinary series."""
    return write_series(tmp_path / "in")


@pytest.fixture
def new_series() -> Callable[..., Path]:
    """Writes a series."""
    return write_series


@pytest.fixture
def made_up() -> Callable[..., Diagnosis]:
    """Gives a made-up diagnosis of a series."""
    return diagnose


@pytest.fixture
def in_a_gap() -> Callable[..., Diagnosis]:
    """Gives a made-up diagnosis with one finding where slices are missing."""
    return diagnose_in_a_gap
