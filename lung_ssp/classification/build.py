"""From settings to what the training loop needs, and from a run folder back to its network."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from lung_ssp.classification.metrics import Comparisons, EvaluationResults, evaluate_sections
from lung_ssp.classification.networks import TwoBranchNetwork, TwoTaskClassifier
from lung_ssp.classification.prediction import predict_logits
from lung_ssp.classification.settings import ClassificationSettings, ClassifierSettings
from lung_ssp.classification.task import ClassificationTask
from lung_ssp.classification.two_inputs.evaluate import evaluate_sections_and_slides
from lung_ssp.classification.two_inputs.network import TwoInputClassifier
from lung_ssp.classification.two_inputs.task import TwoInputTask
from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.config import Config, load_config
from lung_ssp.errors import CheckpointError
from lung_ssp.training.finite import check_outputs
from lung_ssp.training.onnx import Engine, Exportable, ExportedNetwork, load_exported
from lung_ssp.training.optimizer import make_optimizer, make_scheduler
from lung_ssp.training.order import steps_of_protocol
from lung_ssp.training.run import BestCheckpoint, restore_best, run_config
from lung_ssp.training.task import Training


@dataclass(frozen=True)
class ModelType:
    """What belongs to one type of model.

    network: untrained, from its settings.
    task: trains it.
    evaluate: measures it on the test sections.
    """

    network: Callable[[ClassifierSettings], TwoBranchNetwork]
    task: Callable[[ClassificationSettings], ClassificationTask | TwoInputTask]
    evaluate: Callable[[TwoBranchNetwork, ClassificationSettings, Comparisons], EvaluationResults]


# By model.type, as a configuration names it.
MODEL_TYPES = {
    "TwoTaskClassifier": ModelType(TwoTaskClassifier, ClassificationTask, evaluate_sections),
    "TwoInputClassifier": ModelType(TwoInputClassifier, TwoInputTask, evaluate_sections_and_slides),
}


def build_classification(config: Config[ClassificationSettings]) -> Training:
    """Everything that is trained; the weights start from the configuration's seed.

    Raises:
        ConfigError: the processes cannot share the task.
    """
    settings = config.settings
    paddle.seed(settings.seed)
    task = MODEL_TYPES[settings.model.type].task(settings)
    steps = steps_of_protocol(task.size, settings.batch_size, settings.epochs)
    scheduler = make_scheduler(settings.lr_scheduler, steps)
    return Training(task, make_optimizer(settings.optimizer, task.network, scheduler), scheduler, steps)


def build_classifier(config: Config[ClassificationSettings]) -> TwoBranchNetwork:
    """The untrained network of a configuration; needs no cohort."""
    return MODEL_TYPES[config.settings.model.type].network(config.settings.model)


@dataclass(frozen=True)
class TrainedClassifier:
    """A trained network in evaluation mode, and where it comes from.

    exported: the same network in ONNX Runtime, where that engine was asked for.
    """

    network: TwoBranchNetwork
    settings: ClassificationSettings
    checkpoint: BestCheckpoint
    exported: ExportedNetwork | None = None

    def logits(self, sections: np.ndarray) -> dict[str, np.ndarray]:
        """The logits (n, classes) of both tasks for sections without slides, float32 (n, 1, size, size), 0..1.

        Raises:
            NotFinite: one is NaN or infinite.
        """
        if self.exported is None:
            return predict_logits(self.network, sections)
        logits = self.exported(sections)
        for of_task in logits:
            check_outputs(of_task)
        return dict(zip(TASK_NAMES, logits, strict=True))


def load_classifier(run: Path, engine: Engine = "paddle") -> TrainedClassifier:
    """The best checkpoint of a classification run.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, or it or its export is damaged.
        EnvironmentProblem: the engine is missing.
    """
    settings = load_config(run_config(run), ClassificationSettings).settings
    network = MODEL_TYPES[settings.model.type].network(settings.model)
    checkpoint = restore_best(run, network)
    return TrainedClassifier(network, settings, checkpoint, load_exported(run) if engine == "onnx" else None)


def exportable_classifier(run: Path) -> Exportable:
    """The best network of a classification run, to be compared with its export on one section and on five.

    Raises:
        CheckpointError: the run holds a network with two inputs.
    """
    trained = load_classifier(run)
    model = trained.settings.model
    if model.takes_slides:
        raise CheckpointError(
            f"{run} holds a network with two inputs, which cannot be exported: it is used with Paddle."
        )
    shapes = (1, 1, model.image_size, model.image_size), (5, 1, model.image_size, model.image_size)
    return Exportable(trained.network, shapes, False, trained.checkpoint.fingerprint)
