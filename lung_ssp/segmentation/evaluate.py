"""How well a trained network finds nodules in scans that it has never seen."""

from pathlib import Path
from typing import Any

import numpy as np
import paddle
from tqdm import tqdm

from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.scans import Scan, read_scans
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.errors import CohortError
from lung_ssp.segmentation.figures import save_scan_figure
from lung_ssp.segmentation.metrics import detect, dice, dice_by_lesion
from lung_ssp.segmentation.predict import PaddlePredictor, segment_nodules
from lung_ssp.segmentation.settings import SegmentationSettings


def evaluate_segmentation(
    network: paddle.nn.Layer, settings: SegmentationSettings, root: Path, figures: Path
) -> dict[str, Any]:
    """Segment the test scans of a cohort from their DICOM files on and set the result against the truth.

    Args:
        network: the trained network.
        settings: of its run; the threshold of its candidates also decides what counts as segmented.
        root: folder of the prepared cohort.
        figures: folder for one picture a scan.

    Returns:
        for metrics.json: whose scans they are, Dice per scan and per lesion, the share of the lesions that a candidate
        hits, false candidates per scan, and the same for each scan.

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
    lesions = [score for result in results for score in result["dice_by_lesion"].values()]
    if not lesions:
        raise CohortError(f"The test scans of {root} hold no lesion: there is nothing to find in them.")
    return {
        "cohort": statement,
        "scans": len(results),
        "lesions": len(lesions),
        "dice_per_scan": summary([result["dice"] for result in results]),
        "dice_per_lesion": summary(lesions),
        "lesion_sensitivity": sum(len(result["found"]) for result in results) / len(lesions),
        "false_candidates_per_scan": float(np.mean([result["false_candidates"] for result in results])),
        "by_scan": results,
    }


def evaluate_scan(
    network: paddle.nn.Layer, settings: SegmentationSettings, scan: Scan, figure: Path, statement: str
) -> dict[str, Any]:
    """The measures of one scan; `figure` is written with `statement` below it."""
    volume, lesions = read_series(scan.series), scan.lesions()
    lungs = segment_lungs(volume, settings.parenchyma).mask
    segmentation = segment_nodules(PaddlePredictor(network), volume, lungs, settings)
    found = segmentation.probability_in(volume.shape) >= settings.nodules.threshold
    detection = detect(segmentation.candidates, lesions, volume)
    save_scan_figure(figure, volume, lesions, found, settings.slices.window_hu, f"{scan.patient}: {statement}")
    return {
        "patient": scan.patient,
        "dice": dice(found, lesions > 0),
        "dice_by_lesion": {str(label): score for label, score in dice_by_lesion(found, lesions).items()},
        "found": list(detection.found),
        "missed": list(detection.missed),
        "false_candidates": detection.false_candidates,
    }


def summary(scores: list[float]) -> dict[str, Any]:
    """Mean, median and the scores themselves."""
    return {"mean": float(np.mean(scores)), "median": float(np.median(scores)), "values": scores}
