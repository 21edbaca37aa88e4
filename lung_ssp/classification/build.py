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
from lung_ssp.config import Config, load_config
from lung_ssp.errors import CheckpointError, ConfigError
from lung_ssp.training import distributed
from lung_ssp.training.onnx import Engine, Exportable, ExportedNetwork, load_exported
from lung_ssp.training.optimizer import make_optimizer, make_scheduler
from lung_ssp.training.order import steps_of_protocol
from lung_ssp.training.run import restore_best, run_config
from lung_ssp.training.task import Training


def build_classification(config: Config[ClassificationSettings]) -> Training:
    """Everything that is trained; the weights start from the configuration's seed.

    Raises:
        ConfigError: several processes cannot share a network of two inputs.
    """
    settings = config.settings
    if settings.model.two_inputs and distributed.world_size() > 1:
        raise ConfigError(
            "model.two_inputs is true, but a process whose share of a batch holds no slide would keep the others "
            "waiting in the normalisation of the pathology branch: leave out --processes."
        )
    paddle.seed(settings.seed)
    task = ClassificationTask(settings)
    steps = steps_of_protocol(task.size, settings.batch_size, settings.epochs)
    scheduler = make_scheduler(settings.lr_scheduler, steps)
    return Training(task, make_optimizer(settings.optimizer, task.network, scheduler), scheduler, steps)


def build_classifier(config: Config[ClassificationSettings]) -> TwoTaskClassifier:
    """The untrained network of a configuration; needs no cohort."""
    return TwoTaskClassifier(config.settings.model)


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

    @property
    def diagnosed_tasks(self) -> tuple[str, ...]:
        """The tasks that a CT alone is enough for: both, or without the pathology where that needs a slide."""
        return ("image",) if self.settings.model.two_inputs else TASK_NAMES

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
    settings = load_config(run_config(run), ClassificationSettings).settings
    network = TwoTaskClassifier(settings.model)
    checkpoint = restore_best(run, network)
    return TrainedClassifier(network, settings, checkpoint, load_exported(run) if engine == "onnx" else None)


def exportable_classifier(run: Path) -> Exportable:
    """The best network of a classification run, to be compared with its export on one section and on five.

    Raises:
        CheckpointError: the run holds a network of two inputs.
    """
    trained = load_classifier(run)
    model = trained.settings.model
    if model.two_inputs:
        raise CheckpointError(f"{run} holds a network of two inputs, which cannot be exported: it is used with Paddle.")
    shapes = (1, 1, model.image_size, model.image_size), (5, 1, model.image_size, model.image_size)
    return Exportable(trained.network, shapes, False, trained.checkpoint["fingerprint"])
