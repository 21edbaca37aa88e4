"""A segmentation run measured: how well it finds nodules in scans and of patients that it has never seen."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.nodules.store import has_nodules
from lung_ssp.cohort.scans import Scan, read_scans
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.errors import CohortError
from lung_ssp.segmentation.figures import save_scan_figure
from lung_ssp.segmentation.metrics import (
    ScanMetrics,
    SegmentationMetrics,
    TestScanMetrics,
    detect,
    dice,
    dice_by_lesion,
    scores_of,
)
from lung_ssp.segmentation.nodule_evaluation import evaluate_nodules, learned_patients
from lung_ssp.segmentation.nodule_report import NODULE_FIGURE, NODULE_TABLE, nodule_lines, write_nodule_table
from lung_ssp.segmentation.predict import NodulePredictor, segment_nodules
from lung_ssp.segmentation.real_nodules import evaluate_real_nodules, real_nodules_file
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.segmentation.trained import load_segmenter
from lung_ssp.training.evaluation import write_metrics
from lung_ssp.training.run import FIGURES, check_cohort


def evaluate_segmenter(run: Path, real_nodules: Path | None, nodules: Path | None) -> SegmentationMetrics:
    """Measure the best checkpoint of a run and write metrics.json, metrics.txt and figures/ into the run's folder.

    The test scans are those of the run's first cohort, if it is one of scans. Nodules are those of the cohort of
    nodules that it learned from, if there is one, whose patients it has not learned from; they get nodules.csv. Where
    that cohort has no test split nothing is measured, unless `nodules` names another one.

    Args:
        real_nodules: folder with lidc_nodules_3d.npz, real nodules in cubes; those of patients that the run has
            learned from are left out; None for none.
        nodules: folder of another cohort of nodules to measure instead; None for none.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, or it is damaged.
        CohortError: there are no test scans, or no real nodules where they should be.
    """
    cubes = None if real_nodules is None else real_nodules_file(real_nodules)
    trained = load_segmenter(run)
    predict, settings = trained.predict, trained.settings
    root, figures = settings.cohort, run / FIGURES
    cohort = check_cohort(run, *settings.cohorts)
    learned = learned_patients(settings.cohorts)
    figures.mkdir(exist_ok=True)
    measured = nodules or next((own for own in settings.cohorts if has_tested_nodules(own)), None)
    test_scans = None if has_nodules(root) else evaluate_test_scans(predict, settings, root, figures)
    real = None
    if cubes is not None:
        of_others = set() if cohort.synthetic else learned
        real = evaluate_real_nodules(
            predict, settings, cubes, figures / "real-nodules.png", cohort.statement, of_others
        )
    of_nodules = None
    for old in (run / NODULE_TABLE, figures / NODULE_FIGURE):
        old.unlink(missing_ok=True)  # of an evaluation on other nodules
    if measured is not None:
        of_nodules = evaluate_nodules(predict, settings, measured, learned, figures / NODULE_FIGURE)
        write_nodule_table(run, of_nodules.by_nodule)
    metrics = SegmentationMetrics(
        statement=cohort.statement,
        synthetic=cohort.synthetic,
        fingerprint=cohort.fingerprint,
        checkpoint=trained.checkpoint,
        test_scans=test_scans,
        real_nodules=real,
        nodules=of_nodules,
    )
    write_metrics(run, metrics, text_report(metrics))
    return metrics


def has_tested_nodules(root: Path) -> bool:
    """Whether a prepared cohort holds nodules of patients to test on."""
    return has_nodules(root) and read_cohort(root).has_test_split


def evaluate_test_scans(
    predict: NodulePredictor, settings: SegmentationSettings, root: Path, figures: Path
) -> TestScanMetrics:
    """Segment the test scans of a cohort from their DICOM files on and set the result against the truth.

    Args:
        settings: of its run; the threshold of its candidates also decides what counts as segmented.
        root: folder of the prepared cohort.
        figures: folder for one picture a scan.

    Raises:
        CohortError: the cohort has no test scan whose lesions are known.
    """
    cohort = read_cohort(root)
    statement = cohort.statement
    scans = [scan for scan in read_scans(root) if scan.split == "test" and scan.masks]
    if not scans:
        raise CohortError(f"{root} holds no test scan whose lesions are known: there is nothing to evaluate on.")
    results = [
        evaluate_scan(predict, settings, scan, figures / f"{scan.patient}.png", statement)
        for scan in tqdm(scans, "evaluating", unit="scan")
    ]
    lesions = [score for result in results for score in result.dice_by_lesion.values()]
    if not lesions:
        raise CohortError(f"The test scans of {root} hold no lesion: there is nothing to find in them.")
    return TestScanMetrics(
        cohort=statement,
        synthetic=cohort.synthetic,
        scans=len(results),
        lesions=len(lesions),
        dice_per_scan=scores_of([result.dice for result in results]),
        dice_per_lesion=scores_of(lesions),
        lesion_sensitivity=sum(len(result.found) for result in results) / len(lesions),
        false_candidates_per_scan=float(np.mean([result.false_candidates for result in results])),
        by_scan=tuple(results),
    )


def evaluate_scan(
    predict: NodulePredictor, settings: SegmentationSettings, scan: Scan, figure: Path, statement: str
) -> ScanMetrics:
    """The measures of one scan; `figure` is written with `statement` below it."""
    volume, lesions = read_series(scan.series), scan.lesions()
    lungs = segment_lungs(volume, settings.parenchyma).mask
    segmentation = segment_nodules(predict, volume, lungs, settings)
    marked = segmentation.probability_in(volume.shape) >= settings.nodules.threshold
    found, missed, false_candidates = detect(segmentation.candidates, lesions, volume)
    save_scan_figure(figure, volume, lesions, marked, settings.slices.window_hu, f"{scan.patient}: {statement}")
    return ScanMetrics(
        patient=scan.patient,
        dice=dice(marked, lesions > 0),
        dice_by_lesion=dice_by_lesion(marked, lesions),
        found=tuple(sorted(found)),
        missed=tuple(sorted(missed)),
        false_candidates=false_candidates,
    )


def text_report(metrics: SegmentationMetrics) -> str:
    """Dice, lesions found and false candidates in the test scans, and Dice of real nodules."""
    lines = [metrics.statement, f"checkpoint: step {metrics.checkpoint.step}, the best on the validation scans"]
    if scans := metrics.test_scans:
        lesion, scan = scans.dice_per_lesion, scans.dice_per_scan
        lines += [
            "",
            f"{scans.scans} test scans with {scans.lesions} lesions (synthetic: {scans.synthetic})",
            f"  Dice per lesion         mean {lesion.mean:.3f}, median {lesion.median:.3f}",
            f"  Dice per scan           mean {scan.mean:.3f}, median {scan.median:.3f}",
            f"  lesions found           {scans.lesion_sensitivity:.3f}",
            f"  false candidates a scan {scans.false_candidates_per_scan:.1f}",
        ]
    if real := metrics.real_nodules:
        nodule = real.dice_per_nodule
        lines += [
            "",
            f"{real.nodules} nodules: {real.name}{_left_out(real.left_out)}",
            f"  Dice per nodule         mean {nodule.mean:.3f}, median {nodule.median:.3f}",
            f"  nodules touched         {real.touched:.3f}",
            f"  {real.citation}",
        ]
    if metrics.nodules:
        lines += ["", *nodule_lines(metrics.nodules)]
    return "\n".join(lines) + "\n"


def _left_out(nodules: int) -> str:
    return f" ({nodules} left out, of patients that the run has learned from)" if nodules else ""
