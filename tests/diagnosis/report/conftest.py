"""Diagnoses made by hand: a synthetic chest with bright balls in its lungs."""

from collections.abc import Callable

import numpy as np
import pytest

from lung_ssp.candidates.settings import JudgementSettings
from lung_ssp.ct.lesion import Candidate, lesion_from_mask
from lung_ssp.ct.lung_remarks import SideOfLungs
from lung_ssp.ct.parenchyma import LungMask
from lung_ssp.ct.settings import NoduleSettings, ParenchymaSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.finding import Finding
from lung_ssp.diagnosis.learnt_from import Weights
from lung_ssp.diagnosis.settings import DiagnosisSettings
from lung_ssp.segmentation.predict import NoduleSegmentation

SHAPE = (24, 64, 80)  # z, y, x
SPACING = (2.5, 0.8, 1.0)
TISSUE_HU, LUNG_HU = 30, -850
NAMES = {"image": ("benign", "malignant"), "pathology": ("benign", "primary cancer", "metastatic")}
CENTRES = ((12, 30, 20), (5, 24, 60), (20, 40, 22))


def ball(centre: tuple[int, int, int], radius_mm: float) -> np.ndarray:
    """A ball around a voxel, bool (z, y, x)."""
    z, y, x = ((np.arange(size) - middle) * step for size, middle, step in zip(SHAPE, centre, SPACING, strict=True))
    return z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius_mm**2


def lungs_of() -> np.ndarray:
    """Two boxes, bool (z, y, x)."""
    mask = np.zeros(SHAPE, bool)
    mask[2:23, 10:54, 8:36] = mask[2:23, 10:54, 46:72] = True
    return mask


def weights(statement: str, synthetic: bool, cohort: str = "a-cohort") -> Weights:
    return Weights(1200, "0123456789abcdef", True, cohort, synthetic, statement, "fedcba9876543210")


def diagnosis_of(
    count: int = 3,
    *,
    text: str = "harmless",
    names: dict[str, tuple[str, ...]] = NAMES,
    synthetic: tuple[str, ...] = ("segmentation",),
    judged: bool = False,
    slides: bool = True,
) -> Diagnosis:
    """A diagnosis with `count` findings.

    Args:
        text: stands wherever text comes from outside.
        synthetic: the tasks whose weights have learnt from a synthetic cohort.
        judged: whether there is a second stage of the detection.
        slides: whether the pathology diagnosis is given.
    """
    mask, rng = lungs_of(), np.random.default_rng(0)
    centres = [CENTRES[k % 3] for k in range(count)]
    hu = np.where(mask, LUNG_HU, TISSUE_HU).astype(np.int16)
    for centre in centres:
        hu[ball(centre, 5.0)] = TISSUE_HU
    scan = Volume(hu, SPACING, (-40.0, -20.0, -100.0), series_uid=text)
    findings, candidates = [], []
    for k, centre in enumerate(centres):
        lesion = lesion_from_mask(ball(centre, 5.0), scan)
        candidate = Candidate(lesion, 0.9 - 0.01 * k, 30.0, 0.8 if judged else None)
        probabilities = {
            task: rng.dirichlet(np.ones(len(names[task]))) for task in ("image", "pathology")[: 1 + slides]
        }
        findings.append(Finding(k + 1, candidate, rng.random((28, 28), np.float32), probabilities, names))
        candidates.append(candidate)
    tasks = ("segmentation", "classification", *(("candidates",) if judged else ()))
    statement = "{} (a-cohort, fingerprint fedcba9876543210)"
    origin = {True: "SYNTHETIC cohort: no number here is about patients", False: f"REAL patients; CC BY 3.0; {text}"}
    return Diagnosis(
        findings,
        scan,
        LungMask(
            *(mask, mask, mask, -500.0, 130.0, SideOfLungs("right", 70.0, 0.02), SideOfLungs("left", 60.0, 0.0)),
            middle_column=mask.shape[2] // 2,
            first_is_right=True,
        ),
        NoduleSegmentation(candidates, tuple(slice(0, size) for size in SHAPE), mask.astype(np.float32)),
        (f"corrected {text}",),
        (f"doubted {text}",),
        {f"another kind {text}": (f"folder/{text}.xml",)},
        DiagnosisSettings(
            parenchyma=ParenchymaSettings(),
            nodules=NoduleSettings(),
            candidates=JudgementSettings() if judged else None,
        ),
        {
            task: weights(statement.format(origin[task in synthetic]), task in synthetic, f"cohort {text}")
            for task in tasks
        },
        dict.fromkeys(tasks, "onnx"),
        {"reading": 1.0},
        dropped=7 if judged else 0,
    )


@pytest.fixture(scope="session")
def make_diagnosis() -> Callable[..., Diagnosis]:
    """Makes a diagnosis by hand (`diagnosis_of`)."""
    return diagnosis_of
