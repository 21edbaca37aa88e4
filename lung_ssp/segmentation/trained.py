"""A trained segmentation run, read back: to segment scans, here or in other processes, and to be exported.

Paddle is loaded only where it runs the network.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lung_ssp.config import Config, load_config
from lung_ssp.ct.lesion import Candidate
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CheckpointError
from lung_ssp.segmentation.predict import (
    NodulePredictor,
    NoduleSegmentation,
    probability_by_onnx,
    probability_of_images,
    reach_of,
    segment_nodules,
)
from lung_ssp.segmentation.settings import SMALLEST_SIZE, SegmentationSettings
from lung_ssp.training.onnx import Engine, load_exported
from lung_ssp.training.run import BestCheckpoint, best_fingerprint, read_best, restore_best, run_config

if TYPE_CHECKING:
    import paddle

    from lung_ssp.training.onnx_export import Exportable


@dataclass(frozen=True)
class TrainedSegmenter:
    """A trained network, and where it comes from.

    predict: the network, run by the engine that was asked for.
    """

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
        EnvironmentProblem: the engine is missing.
    """
    config = load_config(run_config(run), SegmentationSettings)
    if engine == "onnx":
        checkpoint, _ = read_best(run)
        by_onnx = partial(probability_by_onnx, load_exported(run), reach=reach_of(config.settings.model))
        return TrainedSegmenter(config.settings, checkpoint, by_onnx)
    network, checkpoint = restored_network(run, config)
    return TrainedSegmenter(config.settings, checkpoint, partial(probability_of_images, network))


def restored_network(run: Path, config: Config[SegmentationSettings]) -> tuple["paddle.nn.Layer", BestCheckpoint]:
    """The network of a run's configuration with the best weights, in evaluation mode.

    Raises:
        CheckpointError: the run has none, or they are damaged or of another network.
    """
    from lung_ssp.segmentation.build import build_network

    network = build_network(config)
    return network, restore_best(run, network)


def exportable_segmenter(run: Path) -> "Exportable":
    """The best network of a segmentation run, to be compared with its export on images of two sizes."""
    from lung_ssp.training.onnx_export import Exportable

    network, checkpoint = restored_network(run, load_config(run_config(run), SegmentationSettings))
    channels, size = network.in_channels, SMALLEST_SIZE
    shapes = (1, channels, 2 * size, 2 * size), (2, channels, 3 * size, 5 * size)
    return Exportable(network, shapes, True, checkpoint.fingerprint)


@dataclass(frozen=True)
class RunFinder:
    """The candidates that the best network of a segmentation run finds.

    To another process only the run's folder travels; the network is loaded there once.

    fingerprint: of the weights and the configuration, so that a run that is trained anew is another one.
    """

    run: Path
    fingerprint: str

    def __call__(self, volume: Volume, lungs: np.ndarray) -> list[Candidate]:
        """The candidates of a scan, the most suspicious first; `lungs` is its mask, bool (z, y, x).

        Raises:
            CheckpointError: the run has changed since.
        """
        return _loaded(self).segment(volume, lungs).candidates


def finder_of(run: Path) -> RunFinder:
    """The finder of a run as it is now.

    Raises:
        ConfigError, CheckpointError: the folder holds no trained segmentation run.
    """
    load_config(run_config(run), SegmentationSettings)
    return RunFinder(run, _fingerprint(run))


@lru_cache(maxsize=1)
def _loaded(finder: RunFinder) -> TrainedSegmenter:
    segmenter = load_segmenter(finder.run)
    if _fingerprint(finder.run) != finder.fingerprint:
        raise CheckpointError("The segmentation run that finds candidates has changed: start the preparation again.")
    return segmenter


def _fingerprint(run: Path) -> str:
    digest = hashlib.sha256(best_fingerprint(run).encode())
    digest.update(run_config(run).read_bytes())
    return digest.hexdigest()[:16]
