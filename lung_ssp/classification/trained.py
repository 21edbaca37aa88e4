"""A trained classification run, read back to classify sections; Paddle is loaded only where it runs the network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from lung_ssp.classification.orientations import ORIENTATIONS, SectionPredictor, averaged
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.temperature import Temperature, calibrated, read_temperatures
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.config import load_config
from lung_ssp.training.finite import check_outputs
from lung_ssp.training.onnx import Engine, ExportedNetwork, load_exported
from lung_ssp.training.run import BestCheckpoint, read_best, run_config


@dataclass(frozen=True)
class TrainedClassifier:
    """A trained network, and where it comes from.

    logits: the network without slides, run by the engine that was asked for; it raises NotFinite where one is NaN or
        infinite. Where the run's settings ask for it they are the means over the eight orientations of a section.
    temperatures: by task, where the run's evaluation has fitted one.
    """

    settings: ClassificationSettings
    checkpoint: BestCheckpoint
    logits: SectionPredictor
    temperatures: Mapping[str, Temperature] = field(default_factory=dict)

    @property
    def orientations(self) -> int:
        """Over how many orientations of a section its logits are means."""
        return ORIENTATIONS if self.settings.average_orientations else 1

    @property
    def diagnosed_tasks(self) -> tuple[str, ...]:
        """The tasks that need a CT section alone, and no slide."""
        return ("image",) if self.settings.model.takes_slides else TASK_NAMES

    def probabilities(self, sections: np.ndarray) -> dict[str, np.ndarray]:
        """The probabilities (n, classes) of the tasks that need no slide, by name, as the evaluation calibrated them.

        Args:
            sections: float32 (n, 1, size, size), 0..1.

        Raises:
            NotFinite: a logit is NaN or infinite.
        """
        logits = self.logits(sections)
        return {task: calibrated(logits[task], self.temperatures.get(task)) for task in self.diagnosed_tasks}


def load_classifier(run: Path, engine: Engine = "paddle") -> TrainedClassifier:
    """The best checkpoint of a classification run.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, or it, its export or its calibration.json is
            damaged.
        EnvironmentProblem: the engine is missing.
    """
    settings = load_config(run_config(run), ClassificationSettings).settings
    if engine == "onnx":
        checkpoint, _ = read_best(run)
        predict: SectionPredictor = partial(logits_by_onnx, load_exported(run))
        return _classifier(run, settings, checkpoint, predict)
    from lung_ssp.classification.build import restored_network
    from lung_ssp.classification.prediction import predict_logits

    network, checkpoint = restored_network(run, settings)
    return _classifier(run, settings, checkpoint, partial(predict_logits, network))


def _classifier(
    run: Path, settings: ClassificationSettings, checkpoint: BestCheckpoint, predict: SectionPredictor
) -> TrainedClassifier:
    """A run's network, to be used as its evaluation used it."""
    predict = averaged(predict) if settings.average_orientations else predict
    return TrainedClassifier(settings, checkpoint, predict, read_temperatures(run, checkpoint.fingerprint))


def logits_by_onnx(network: ExportedNetwork, sections: np.ndarray) -> dict[str, np.ndarray]:
    """The logits of both tasks by ONNX Runtime.

    Raises:
        NotFinite: one is NaN or infinite.
    """
    logits = network(sections)
    for of_task in logits:
        check_outputs(of_task)
    return dict(zip(TASK_NAMES, logits, strict=True))
