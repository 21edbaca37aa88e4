"""From settings to what the training loop needs, and from a run's folder back to Paddle's network."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import paddle

from lung_ssp.classification.metrics import Comparisons, EvaluationResults, evaluate_sections
from lung_ssp.classification.networks import TwoBranchNetwork, TwoTaskClassifier
from lung_ssp.classification.settings import ClassificationSettings, ClassifierSettings
from lung_ssp.classification.task import ClassificationTask
from lung_ssp.classification.two_inputs.evaluate import evaluate_sections_and_slides
from lung_ssp.classification.two_inputs.network import TwoInputClassifier
from lung_ssp.classification.two_inputs.task import TwoInputTask
from lung_ssp.config import Config, load_config
from lung_ssp.errors import CheckpointError
from lung_ssp.training.onnx_export import Exportable
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


def restored_network(run: Path, settings: ClassificationSettings) -> tuple[TwoBranchNetwork, BestCheckpoint]:
    """The network of a run's configuration with the best weights, in evaluation mode.

    Raises:
        CheckpointError: the run has none, or they are damaged or of another network.
    """
    network = MODEL_TYPES[settings.model.type].network(settings.model)
    return network, restore_best(run, network)


def exportable_classifier(run: Path) -> Exportable:
    """The best network of a classification run, to be compared with its export on one section and on five.

    Raises:
        CheckpointError: the run holds a network with two inputs.
    """
    settings = load_config(run_config(run), ClassificationSettings).settings
    network, checkpoint = restored_network(run, settings)
    model = settings.model
    if model.takes_slides:
        raise CheckpointError(
            f"{run} holds a network with two inputs, which cannot be exported: it is used with Paddle."
        )
    shapes = (1, 1, model.image_size, model.image_size), (5, 1, model.image_size, model.image_size)
    return Exportable(network, shapes, False, checkpoint.fingerprint)
