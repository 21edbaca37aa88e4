"""A trained segmentation run, read back."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from lung_ssp.config import load_config
from lung_ssp.ct.volume import Volume
from lung_ssp.segmentation.build import build_network
from lung_ssp.segmentation.predict import (
    NodulePredictor,
    NoduleSegmentation,
    OnnxPredictor,
    PaddlePredictor,
    segment_nodules,
)
from lung_ssp.segmentation.settings import SMALLEST_SIZE, SegmentationSettings
from lung_ssp.training.onnx import Engine, Exportable, load_exported
from lung_ssp.training.run import BestCheckpoint, restore_best, run_config


@dataclass(frozen=True)
class TrainedSegmenter:
    """A trained network in evaluation mode, and where it comes from.

    predict: the same network, run by the engine that was asked for.
    """

    network: paddle.nn.Layer
    settings: SegmentationSettings
    checkpoint: BestCheckpoint
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
    return Exportable(trained.network, shapes, True, trained.checkpoint.fingerprint)
