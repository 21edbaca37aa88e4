"""From settings to what the training loop needs, and from a run's folder back to Paddle's network."""

from pathlib import Path

import paddle

from lung_ssp.candidates.dataset import CandidateDataset, TrainingCandidates
from lung_ssp.candidates.network import CandidateClassifier
from lung_ssp.candidates.settings import FalsePositiveSettings
from lung_ssp.candidates.task import FalsePositiveTask
from lung_ssp.config import Config, load_config
from lung_ssp.training.onnx_export import Exportable
from lung_ssp.training.optimizer import make_optimizer, make_scheduler
from lung_ssp.training.run import BestCheckpoint, restore_best, run_config
from lung_ssp.training.task import Training


def build_false_positives(config: Config[FalsePositiveSettings]) -> Training:
    """Everything that is trained; the weights start from the configuration's seed.

    Raises:
        CohortError: the cohort holds no candidates, or other patches than the configuration asks for.
        ConfigError: the shares of the batches name other sources than there are.
    """
    settings = config.settings
    patch, window_hu = settings.patch, settings.window_hu
    training = TrainingCandidates(settings.train_dataset, patch, window_hu)
    validation = CandidateDataset(settings.val_dataset, patch, window_hu)
    paddle.seed(settings.seed)
    task = FalsePositiveTask(build_candidate_network(config), training, validation, settings.loss)
    scheduler = make_scheduler(settings.lr_scheduler, settings.iters)
    return Training(task, make_optimizer(settings.optimizer, task.network, scheduler), scheduler, settings.iters)


def build_candidate_network(config: Config[FalsePositiveSettings]) -> paddle.nn.Layer:
    """The untrained network of a configuration; needs no cohort."""
    return CandidateClassifier(config.settings.model, config.settings.patch)


def restored_network(run: Path, config: Config[FalsePositiveSettings]) -> tuple[paddle.nn.Layer, BestCheckpoint]:
    """The network of a run's configuration with the best weights, in evaluation mode.

    Raises:
        CheckpointError: the run has none, or they are damaged or of another network.
    """
    network = build_candidate_network(config)
    return network, restore_best(run, network)


def exportable_candidates(run: Path) -> Exportable:
    """The best network of a run, to be compared with its export on one patch and on five."""
    config = load_config(run_config(run), FalsePositiveSettings)
    network, checkpoint = restored_network(run, config)
    patch = config.settings.patch
    shapes = (1, patch.slices, patch.size, patch.size), (5, patch.slices, patch.size, patch.size)
    return Exportable(network, shapes, False, checkpoint.fingerprint)
