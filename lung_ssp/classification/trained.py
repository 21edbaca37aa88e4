"""A trained classification run, read back to classify sections; Paddle is loaded only where it runs the network."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lung_ssp.classification.orientations import SectionPredictor, averaged
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.config import load_config
from lung_ssp.training.finite import check_outputs
from lung_ssp.training.onnx import Engine, ExportedNetwork, load_exported
from lung_ssp.training.run import BestCheckpoint, read_best, run_config


@dataclass(frozen=True)
class TrainedClassifier:
    """A trained network, and where it comes from.

    logits: the network without slides, run by the engine that was asked for; it raises NotFinite where one is NaN or
        infinite.
    """

    settings: ClassificationSettings
    checkpoint: BestCheckpoint
    logits: SectionPredictor

    @property
    def diagnosed_tasks(self) -> tuple[str, ...]:
        """The tasks that need a CT section alone, and no slide."""
        return ("image",) if self.settings.model.takes_slides else TASK_NAMES


def load_classifier(run: Path, engine: Engine = "paddle") -> TrainedClassifier:
    """The best checkpoint of a classification run.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, or it or its export is damaged.
        EnvironmentProblem: the engine is missing.
    """
    settings = load_config(run_config(run), ClassificationSettings).settings
    if engine == "onnx":
        checkpoint, _ = read_best(run)
        return TrainedClassifier(settings, checkpoint, _as_set(partial(logits_by_onnx, load_exported(run)), settings))
    from lung_ssp.classification.build import restored_network
    from lung_ssp.classification.prediction import predict_logits

    network, checkpoint = restored_network(run, settings)
    return TrainedClassifier(settings, checkpoint, _as_set(partial(predict_logits, network), settings))


def _as_set(predict: SectionPredictor, settings: ClassificationSettings) -> SectionPredictor:
    """A predictor as the settings of its run want it."""
    return averaged(predict) if settings.average_orientations else predict


def logits_by_onnx(network: ExportedNetwork, sections: np.ndarray) -> dict[str, np.ndarray]:
    """The logits of both tasks by ONNX Runtime.

    Raises:
        NotFinite: one is NaN or infinite.
    """
    logits = network(sections)
    for of_task in logits:
        check_outputs(of_task)
    return dict(zip(TASK_NAMES, logits, strict=True))
