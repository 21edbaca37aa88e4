"""A segmentation run measured on whole test scans, alone and with the second stage of the detection."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lung_ssp.candidates.froc import Froc, ScoredScan, Sphere, froc, froc_line, hits_of
from lung_ssp.candidates.trained import CandidateJudge
from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.scans import Scan, read_scans
from lung_ssp.ct.lesion import Candidate, lesions_of_labels
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import NOT_COUNTED
from lung_ssp.errors import CohortError
from lung_ssp.segmentation.figures import save_scan_figure
from lung_ssp.segmentation.metrics import (
    JudgedMetrics,
    ScanMetrics,
    TestScanMetrics,
    detect,
    dice,
    dice_by_lesion,
    scores_of,
)
from lung_ssp.segmentation.predict import NodulePredictor, segment_nodules
from lung_ssp.segmentation.settings import SegmentationSettings


@dataclass(frozen=True)
class ScanResult:
    """The measures of one scan, and its candidates for the FROC curve.

    found: of the lesions, and false_candidates, with the second stage; None where there is none.
    judged: the candidates by the second stage's probability; likewise.
    """

    metrics: ScanMetrics
    scored: ScoredScan
    found: int | None = None
    false_candidates: int | None = None
    judged: ScoredScan | None = None


def evaluate_test_scans(
    predict: NodulePredictor,
    settings: SegmentationSettings,
    root: Path,
    figures: Path,
    judge: CandidateJudge | None = None,
) -> TestScanMetrics:
    """Segment the test scans of a cohort from their DICOM files on and set the result against the truth.

    Args:
        settings: of its run; the threshold of its candidates also decides what counts as segmented.
        root: folder of the prepared cohort.
        figures: folder for one picture a scan.
        judge: the second stage, which is measured as well; None for none.

    Raises:
        CohortError: the cohort has no test scan whose lesions are known.
    """
    cohort = read_cohort(root)
    statement = cohort.statement
    scans = [scan for scan in read_scans(root) if scan.split == "test" and scan.masks]
    if not scans:
        raise CohortError(f"{root} holds no test scan whose lesions are known: there is nothing to evaluate on.")
    results = [
        evaluate_scan(predict, settings, scan, figures / f"{scan.patient}.png", statement, judge)
        for scan in tqdm(scans, "evaluating", unit="scan")
    ]
    metrics = [result.metrics for result in results]
    lesions = [score for scan in metrics for score in scan.dice_by_lesion.values()]
    if not lesions:
        raise CohortError(f"The test scans of {root} hold no lesion: there is nothing to find in them.")
    return TestScanMetrics(
        cohort=statement,
        synthetic=cohort.synthetic,
        scans=len(metrics),
        lesions=len(lesions),
        dice_per_scan=scores_of([scan.dice for scan in metrics]),
        dice_per_lesion=scores_of(lesions),
        lesion_sensitivity=sum(len(scan.found) for scan in metrics) / len(lesions),
        false_candidates_per_scan=float(np.mean([scan.false_candidates for scan in metrics])),
        by_scan=tuple(metrics),
        froc=froc([result.scored for result in results]),
        judged=None if judge is None else judged_metrics(judge, results, len(lesions)),
    )


def judged_metrics(judge: CandidateJudge, results: Sequence[ScanResult], lesions: int) -> JudgedMetrics:
    """The figures of scans whose candidates have been judged."""
    return JudgedMetrics(
        weights=judge.checkpoint.fingerprint,
        threshold=judge.settings.candidates.threshold,
        lesion_sensitivity=sum(result.found or 0 for result in results) / lesions,
        false_candidates_per_scan=float(np.mean([result.false_candidates or 0 for result in results])),
        froc=froc([result.judged for result in results if result.judged is not None]),
    )


def evaluate_scan(
    predict: NodulePredictor,
    settings: SegmentationSettings,
    scan: Scan,
    figure: Path,
    statement: str,
    judge: CandidateJudge | None = None,
) -> ScanResult:
    """The measures of one scan; `figure` is written with `statement` below it."""
    volume, lesions = read_series(scan.series), scan.lesions()
    lungs = segment_lungs(volume, settings.parenchyma).mask
    segmentation = segment_nodules(predict, volume, lungs, settings)
    marked = segmentation.probability_in(volume.shape) >= settings.nodules.threshold
    found, missed, false_candidates = detect(segmentation.candidates, lesions, volume)
    save_scan_figure(figure, volume, lesions, marked, settings.slices.window_hu, f"{scan.patient}: {statement}")
    metrics = ScanMetrics(
        patient=scan.patient,
        dice=dice(marked, lesions > 0),
        dice_by_lesion=dice_by_lesion(marked, lesions),
        found=tuple(sorted(found)),
        missed=tuple(sorted(missed)),
        false_candidates=false_candidates,
    )
    scored = scored_scan(segmentation.candidates, lesions, volume, lambda one: one.score)
    if judge is None:
        return ScanResult(metrics, scored)
    ranked = judge.rank(segmentation.candidates, volume)
    still_found, _, still_false = detect(judge.kept(ranked), lesions, volume)
    judged = scored_scan(ranked, lesions, volume, lambda one: one.nodule_probability or 0.0)
    return ScanResult(metrics, scored, len(still_found), still_false, judged)


def scored_scan(
    candidates: Sequence[Candidate], lesions: np.ndarray, volume: Volume, score: Callable[[Candidate], float]
) -> ScoredScan:
    """The candidates of a scan for the FROC curve: a lesion is hit within its radius, of the sphere of its volume.

    Args:
        lesions: uint8 (z, y, x), NOT_COUNTED where it is not known what is there: candidates whose centre lies there
            count neither way.
    """
    spheres = [
        Sphere(lesion.centre_mm, lesion.diameter_mm / 2)
        for lesion in lesions_of_labels(np.where(lesions == NOT_COUNTED, 0, lesions), volume)
    ]
    centres = np.array([one.lesion.centre_mm for one in candidates]).reshape(-1, 3)
    z, y, x = np.rint(volume.to_index(centres)).astype(int).T
    hits = hits_of(centres, spheres, lesions[z, y, x] == NOT_COUNTED)
    return ScoredScan(np.array([score(one) for one in candidates], float), hits, len(spheres))


def scan_lines(scans: TestScanMetrics) -> list[str]:
    """The figures of the test scans, a line each."""
    lesion, scan = scans.dice_per_lesion, scans.dice_per_scan
    lines = [
        f"{scans.scans} test scans with {scans.lesions} lesions (synthetic: {scans.synthetic})",
        f"  Dice per lesion         mean {lesion.mean:.3f}, median {lesion.median:.3f}",
        f"  Dice per scan           mean {scan.mean:.3f}, median {scan.median:.3f}",
        f"  lesions found           {scans.lesion_sensitivity:.3f}",
        f"  false candidates a scan {scans.false_candidates_per_scan:.1f}",
    ]
    if scans.froc is not None:
        lines += [*_froc_lines("by the score", scans.froc)]
    if judged := scans.judged:
        lines += [
            f"  with the second stage ({judged.weights}), candidates below {judged.threshold:g} dropped",
            f"  lesions found           {judged.lesion_sensitivity:.3f}",
            f"  false candidates a scan {judged.false_candidates_per_scan:.1f}",
            *_froc_lines("by the second stage's probability", judged.froc),
        ]
    return lines


def _froc_lines(by: str, curve: Froc) -> list[str]:
    return [
        f"  lesions found at 1/8, 1/4, 1/2, 1, 2, 4, 8 false candidates a scan, {by}",
        f"    {froc_line(curve)}",
    ]
