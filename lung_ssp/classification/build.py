"""From settings to what the training loop needs, and from a run folder back to its network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from lung_ssp.classification.networks import TwoTaskClassifier
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.task import ClassificationTask, predict_logits
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.config import load_config
from lung_ssp.training.onnx import Engine, ExportedNetwork, load_exported
from lung_ssp.training.optimizer import make_optimizer, make_scheduler
from lung_ssp.training.order import steps_of_protocol
from lung_ssp.training.run import restore_best, run_config


def build_classification(
    settings: ClassificationSettings,
) -> tuple[ClassificationTask, paddle.optimizer.Optimizer, paddle.optimizer.lr.LRScheduler, int]:
    """The task with its seeded network, its optimizer, its schedule, and the number of steps."""
    paddle.seed(settings.seed)
    task = ClassificationTask(settings)
    steps = steps_of_protocol(task.size, settings.batch_size, settings.epochs)
    scheduler = make_scheduler(settings.lr_scheduler, steps)
    return task, make_optimizer(settings.optimizer, task.network, scheduler), scheduler, steps


@dataclass(frozen=True)
class TrainedClassifier:
    """A trained network in evaluation mode, and where it comes from.

    checkpoint: what training.run.restore_best tells of it.
    exported: the same network in ONNX Runtime, where that engine was asked for.
    """

    network: TwoTaskClassifier
    settings: ClassificationSettings
    checkpoint: dict[str, Any]
    exported: ExportedNetwork | None = None

    def logits(self, sections: np.ndarray) -> dict[str, np.ndarray]:
        """The logits (n, classes) of both tasks for sections without slides, float32 (n, 1, size, size), 0..1."""
        if self.exported is None:
            return predict_logits(self.network, sections)
        return dict(zip(TASK_NAMES, self.exported(sections), strict=True))


def load_classifier(run: Path, engine: Engine = "paddle") -> TrainedClassifier:
    """The best checkpoint of a classification run.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, or it or its export is damaged.
        EnvironmentFault: the engine is missing.
    """
    settings = load_config(run_config(run), task="classification").settings
    network = TwoTaskClassifier(settings.model)
    checkpoint = restore_best(run, network)
    return TrainedClassifier(network, settings, checkpoint, load_exported(run) if engine == "onnx" else None)
