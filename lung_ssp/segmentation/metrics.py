"""How well nodules are found: Dice of the foreground by scan and by lesion, never pooled over scans; all of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lung_ssp.candidates.froc import Froc
from lung_ssp.ct.lesion import Candidate, Lesion
from lung_ssp.ct.volume import Volume
from lung_ssp.segmentation.nodule_metrics import NoduleMetrics
from lung_ssp.training.evaluation import Metrics

BACKGROUND = 0
DICE_OF_A_HIT = 0.3


@dataclass(frozen=True)
class Scores:
    """Dice coefficients, with their mean and median."""

    mean: float
    median: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class ScanMetrics:
    """What was found in one scan.

    dice: of the whole foreground.
    dice_by_lesion: by the lesion's label.
    found, missed: labels of the lesions that a candidate hits, or none.
    false_candidates: that hit no lesion.
    """

    patient: str
    dice: float
    dice_by_lesion: dict[int, float]
    found: tuple[int, ...]
    missed: tuple[int, ...]
    false_candidates: int


@dataclass(frozen=True)
class JudgedMetrics:
    """What is left of the candidates of the test scans when a second stage has judged them.

    weights: fingerprint of its weights. threshold: its probability of a nodule below which candidates are dropped.
    lesion_sensitivity, false_candidates_per_scan: of those that are kept, as in TestScanMetrics.
    froc: of all candidates, by the second stage's probability.
    """

    weights: str
    threshold: float
    lesion_sensitivity: float
    false_candidates_per_scan: float
    froc: Froc


@dataclass(frozen=True)
class TestScanMetrics:
    """What was found in the test scans of a cohort.

    cohort: the statement of whose scans they are. synthetic: whether they are phantoms.
    scans, lesions: how many there are.
    lesion_sensitivity: the share of the lesions that a candidate hits.
    froc: of the candidates by their score; None in a file of an earlier version.
    judged: with the second stage of the detection, where one was given.
    """

    cohort: str
    synthetic: bool
    scans: int
    lesions: int
    dice_per_scan: Scores
    dice_per_lesion: Scores
    lesion_sensitivity: float
    false_candidates_per_scan: float
    by_scan: tuple[ScanMetrics, ...]
    froc: Froc | None = None
    judged: JudgedMetrics | None = None


@dataclass(frozen=True)
class RealNoduleMetrics:
    """What was found of real nodules.

    name, truth, licence, citation: what they are, and whose outline is the truth.
    nodules: how many were measured. left_out: how many were not, for the run has learned from their patients.
    touched: the share of them that the result touches at all.
    """

    name: str
    truth: str
    licence: str
    citation: str
    nodules: int
    left_out: int
    dice_per_nodule: Scores
    touched: float


@dataclass(frozen=True)
class PatchMetrics:
    """What was found of real lung tumours in single slices.

    name, truth, licence, citation: what they are, and whose outline is the truth.
    patches: how many show a tumour. patients: whose they are.
    dice_per_patch: of the tumour with all connected parts of the result that touch it (dice_by_lesion), of patches with
    a tumour. dice_per_patient: the means of each patient's patches. interval_per_patch, interval_per_patient: 95 %, of
    either mean, by bootstrap over the patients.
    dice_of_all: the mean by patch with the whole result, what it marks elsewhere included.
    touched: the share of the patches with a tumour in which the result touches it.
    without_tumour: how many show none. marked_without_tumour: in how many of these something is marked.
    """

    name: str
    truth: str
    licence: str
    citation: str
    patches: int
    patients: int
    dice_per_patch: Scores
    interval_per_patch: tuple[float, float]
    dice_per_patient: Scores
    interval_per_patient: tuple[float, float]
    dice_of_all: float
    touched: float
    without_tumour: int
    marked_without_tumour: int


@dataclass(frozen=True)
class SegmentationMetrics(Metrics):
    """The figures of a segmentation run: of the test scans, where its first cohort has scans; of the cubes of real
    nodules and the patches of real tumours, where they were asked for; of a cohort of nodules, where it learned from
    one or was asked for one.
    """

    test_scans: TestScanMetrics | None
    real_nodules: RealNoduleMetrics | None
    nodules: NoduleMetrics | None = None
    real_patches: PatchMetrics | None = None


def scores_of(values: Sequence[float]) -> Scores:
    """Mean, median and the values themselves, of which there is at least one."""
    return Scores(float(np.mean(values)), float(np.median(values)), tuple(values))


def dice(prediction: np.ndarray, truth: np.ndarray) -> float:
    """2 |prediction and truth| / (|prediction| + |truth|) of two bool arrays; 1 where both are empty."""
    total = np.count_nonzero(prediction) + np.count_nonzero(truth)
    if total == 0:
        return 1.0
    return 2 * np.count_nonzero(prediction & truth) / total


def dice_by_lesion(prediction: np.ndarray, lesions: np.ndarray) -> dict[int, float]:
    """The Dice of each lesion with all connected parts of the prediction that touch it; 0 for a lesion none touches.

    A part that touches two lesions counts whole for both (as in the lesion-wise Dice of BraTS 2023, without its
    dilation). Parts are connected through faces, as candidates are.

    Args:
        prediction: bool (z, y, x).
        lesions: (z, y, x) labels, 0 background, 1..n the lesions.
    """
    parts, _ = ndimage.label(prediction)
    sizes = np.bincount(parts.ravel())
    scores = {}
    for label in np.unique(lesions[lesions > 0]):
        lesion = lesions == label
        inside = parts[lesion]
        touching = np.unique(inside[inside > 0])
        overlap = np.count_nonzero(inside)
        scores[int(label)] = float(2 * overlap / (np.count_nonzero(lesion) + sizes[touching].sum()))
    return scores


def detect(candidates: Sequence[Candidate], lesions: np.ndarray, volume: Volume) -> tuple[set[int], set[int], int]:
    """Which lesions the candidates hit: a candidate's centre lies in the lesion, or their Dice is at least 0.3.

    Args:
        lesions: (z, y, x) labels on the scan's grid.

    Returns:
        the labels of the lesions that a candidate hits, of those that none hits, and how many candidates hit none.
    """
    sizes = np.bincount(lesions.ravel())
    hits = [_lesions_hit(candidate.lesion, lesions, sizes, volume) for candidate in candidates]
    found: set[int] = set().union(*hits)
    missed = set(np.flatnonzero(sizes).tolist()) - found - {BACKGROUND}
    return found, missed, sum(not hit for hit in hits)


def _lesions_hit(found: Lesion, lesions: np.ndarray, sizes: np.ndarray, volume: Volume) -> set[int]:
    """The labels of the lesions that one candidate hits; `sizes` counts each label's voxels."""
    z, y, x = np.rint(volume.to_index(np.array(found.centre_mm))).astype(int)
    under_it = np.bincount(lesions[found.box][found.voxels], minlength=len(sizes))
    dices = 2 * under_it / np.maximum(1, np.count_nonzero(found.voxels) + sizes)
    hit = {int(label) for label in np.flatnonzero(dices >= DICE_OF_A_HIT)} | {int(lesions[z, y, x])}
    return hit - {BACKGROUND}
