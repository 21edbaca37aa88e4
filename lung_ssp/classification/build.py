"""From settings to what the training loop needs, and from a run folder back to its network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle

from lung_ssp.classification.networks import TwoTaskClassifier
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.task import ClassificationTask
from lung_ssp.config import load_config
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
    """

    network: TwoTaskClassifier
    settings: ClassificationSettings
    checkpoint: dict[str, Any]


def load_classifier(run: Path) -> TrainedClassifier:
    """The best checkpoint of a classification run.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, or it is damaged.
    """
    settings = load_config(run_config(run), task="classification").settings
    network = TwoTaskClassifier(settings.model)
    return TrainedClassifier(network, settings, restore_best(run, network))
