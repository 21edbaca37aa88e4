"""A segmentation run measured: how well it finds nodules in scans that it has never seen."""

from pathlib import Path

import numpy as np
import paddle
from tqdm import tqdm

from lung_ssp.cohort.description import read_cohort
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
from lung_ssp.segmentation.predict import PaddlePredictor, segment_nodules
from lung_ssp.segmentation.real_nodules import evaluate_real_nodules, real_nodules_file
from lung_ssp.segmentation.report import text_report
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.segmentation.trained import load_segmenter
from lung_ssp.training.evaluation import FIGURES, write_metrics
from lung_ssp.training.run import check_cohort


def evaluate_segmenter(run: Path, real_nodules: Path | None) -> SegmentationMetrics:
    """Measure the best checkpoint of a run and write metrics.json, metrics.txt and figures/ into the run's folder.

    Args:
        real_nodules: folder with lidc_nodules_3d.npz, real nodules that were never trained on; None for none.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, or it is damaged.
        CohortError: there are no test scans, or no real nodules where they should be.
    """
    cubes = None if real_nodules is None else real_nodules_file(real_nodules)
    trained = load_segmenter(run)
    network, settings = trained.network, trained.settings
    root, figures = Path(settings.train_dataset.dataset_root), run / FIGURES
    figures.mkdir(exist_ok=True)
    cohort = check_cohort(run, root)
    test_scans = evaluate_test_scans(network, settings, root, figures)
    real = None
    if cubes is not None:
        real = evaluate_real_nodules(network, settings, cubes, figures / "real-nodules.png", cohort.statement)
    metrics = SegmentationMetrics(
        statement=cohort.statement,
        synthetic=cohort.synthetic,
        fingerprint=cohort.fingerprint,
        checkpoint=trained.checkpoint,
        test_scans=test_scans,
        real_nodules=real,
    )
    write_metrics(run, metrics, text_report(metrics))
    return metrics


def evaluate_test_scans(
    network: paddle.nn.Layer, settings: SegmentationSettings, root: Path, figures: Path
) -> TestScanMetrics:
    """Segment the test scans of a cohort from their DICOM files on and set the result against the truth.

    Args:
        network: the trained network.
        settings: of its run; the threshold of its candidates also decides what counts as segmented.
        root: folder of the prepared cohort.
        figures: folder for one picture a scan.

    Raises:
        CohortError: the cohort has no test scan whose lesions are known.
    """
    statement = read_cohort(root).statement
    scans = [scan for scan in read_scans(root) if scan.split == "test" and scan.masks]
    if not scans:
        raise CohortError(f"{root} holds no test scan whose lesions are known: there is nothing to evaluate on.")
    results = [
        evaluate_scan(network, settings, scan, figures / f"{scan.patient}.png", statement)
        for scan in tqdm(scans, "evaluating", unit="scan")
    ]
    lesions = [score for result in results for score in result.dice_by_lesion.values()]
    if not lesions:
        raise CohortError(f"The test scans of {root} hold no lesion: there is nothing to find in them.")
    return TestScanMetrics(
        cohort=statement,
        scans=len(results),
        lesions=len(lesions),
        dice_per_scan=scores_of([result.dice for result in results]),
        dice_per_lesion=scores_of(lesions),
        lesion_sensitivity=sum(len(result.found) for result in results) / len(lesions),
        false_candidates_per_scan=float(np.mean([result.false_candidates for result in results])),
        by_scan=tuple(results),
    )


def evaluate_scan(
    network: paddle.nn.Layer, settings: SegmentationSettings, scan: Scan, figure: Path, statement: str
) -> ScanMetrics:
    """The measures of one scan; `figure` is written with `statement` below it."""
    volume, lesions = read_series(scan.series), scan.lesions()
    lungs = segment_lungs(volume, settings.parenchyma).mask
    segmentation = segment_nodules(PaddlePredictor(network), volume, lungs, settings)
    found = segmentation.probability_in(volume.shape) >= settings.nodules.threshold
    detection = detect(segmentation.candidates, lesions, volume)
    save_scan_figure(figure, volume, lesions, found, settings.slices.window_hu, f"{scan.patient}: {statement}")
    return ScanMetrics(
        patient=scan.patient,
        dice=dice(found, lesions > 0),
        dice_by_lesion=dice_by_lesion(found, lesions),
        found=detection.found,
        missed=detection.missed,
        false_candidates=detection.false_candidates,
    )
