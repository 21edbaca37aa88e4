"""A trained segmentation run, read back and measured as a whole."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from lung_ssp.config import load_config
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CohortError
from lung_ssp.files import write_json, write_text
from lung_ssp.segmentation.build import build_network
from lung_ssp.segmentation.evaluate import evaluate_segmentation
from lung_ssp.segmentation.predict import (
    NodulePredictor,
    NoduleSegmentation,
    OnnxPredictor,
    PaddlePredictor,
    segment_nodules,
)
from lung_ssp.segmentation.real_nodules import evaluate_real_nodules
from lung_ssp.segmentation.settings import SMALLEST_SIZE, SegmentationSettings
from lung_ssp.training.onnx import Engine, Exportable, load_exported
from lung_ssp.training.run import check_cohort, restore_best, run_config

REAL_NODULES_FILE = "lidc_nodules_3d.npz"


@dataclass(frozen=True)
class TrainedSegmenter:
    """A trained network in evaluation mode, and where it comes from.

    checkpoint: what training.run.restore_best tells of it.
    predict: the same network, run by the engine that was asked for.
    """

    network: paddle.nn.Layer
    settings: SegmentationSettings
    checkpoint: dict[str, Any]
    predict: NodulePredictor

    def segment(self, volume: Volume, lungs: np.ndarray) -> NoduleSegmentation:
        """The nodules of a scan; `lungs` is its mask, bool (z, y, x), not empty."""
        return segment_nodules(self.predict, volume, lungs, self.settings)


def load_segmenter(run: Path, engine: Engine = "paddle") -> TrainedSegmenter:
    """The best checkpoint of a segmentation run.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, or it or its export is damaged.
        EnvironmentFault: the engine is missing.
    """
    config = load_config(run_config(run), SegmentationSettings)
    network = build_network(config)
    checkpoint = restore_best(run, network)
    predict = OnnxPredictor(load_exported(run), network.in_channels) if engine == "onnx" else PaddlePredictor(network)
    return TrainedSegmenter(network, config.settings, checkpoint, predict)


def exportable_segmenter(run: Path) -> Exportable:
    """The best network of a segmentation run, to be compared with its export on images of two sizes."""
    trained = load_segmenter(run)
    channels, size = trained.network.in_channels, SMALLEST_SIZE
    shapes = (1, channels, 2 * size, 2 * size), (2, channels, 3 * size, 5 * size)
    return Exportable(trained.network, shapes, True, trained.checkpoint["fingerprint"])


def evaluate_segmentation_run(run: Path, real_nodules: Path | None) -> str:
    """Measure the best checkpoint of a run and write metrics.json, metrics.txt and figures/ into the run's folder.

    Args:
        real_nodules: folder with lidc_nodules_3d.npz, real nodules that were never trained on; None for none.

    Returns:
        the text report.

    Raises:
        CohortError: there are no test scans, or no real nodules where they should be.
    """
    if real_nodules is not None and not (real_nodules / REAL_NODULES_FILE).is_file():
        raise CohortError(
            f"{real_nodules} holds no {REAL_NODULES_FILE}: name the folder that holds it, or leave it out."
        )
    trained = load_segmenter(run)
    settings = trained.settings
    root, figures = Path(settings.train_dataset.dataset_root), run / "figures"
    figures.mkdir(exist_ok=True)
    cohort = check_cohort(run, root)
    metrics: dict[str, Any] = {
        "statement": cohort.statement,
        "synthetic": cohort.synthetic,
        "fingerprint": cohort.fingerprint,
        "checkpoint": trained.checkpoint,
        "test_scans": evaluate_segmentation(trained.network, settings, root, figures),
    }
    if real_nodules is not None:
        cubes, figure = real_nodules / REAL_NODULES_FILE, figures / "real-nodules.png"
        metrics["real_nodules"] = evaluate_real_nodules(
            trained.network, settings, cubes, figure, trained_on=metrics["statement"]
        )
    write_json(run / "metrics.json", metrics)
    report = text_report(metrics)
    write_text(run / "metrics.txt", report)
    return report


def text_report(metrics: dict[str, Any]) -> str:
    """The metrics to read."""
    scans = metrics["test_scans"]
    lines = [
        metrics["statement"],
        f"checkpoint: step {metrics['checkpoint']['step']}, the best on the validation scans",
        "",
        f"{scans['scans']} test scans with {scans['lesions']} lesions (synthetic: {metrics['synthetic']})",
        f"  Dice per lesion         mean {scans['dice_per_lesion']['mean']:.3f}, "
        f"median {scans['dice_per_lesion']['median']:.3f}",
        f"  Dice per scan           mean {scans['dice_per_scan']['mean']:.3f}, "
        f"median {scans['dice_per_scan']['median']:.3f}",
        f"  lesions found           {scans['lesion_sensitivity']:.3f}",
        f"  false candidates a scan {scans['false_candidates_per_scan']:.1f}",
    ]
    if "real_nodules" in metrics:
        real = metrics["real_nodules"]
        lines += [
            "",
            f"{real['nodules']} nodules: {real['name']}",
            f"  Dice per nodule         mean {real['dice_per_nodule']['mean']:.3f}, "
            f"median {real['dice_per_nodule']['median']:.3f}",
            f"  nodules touched         {real['touched']:.3f}",
            f"  {real['citation']}",
        ]
    return "\n".join(lines) + "\n"
