"""What is measured: a configuration's training as the product builds it, its batches and its steps.

Synthetic input is one batch of noise again and again, read beforehand: it leaves the reading out.
"""

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from lung_ssp.benchmark.cases import Case
from lung_ssp.cohort.description import CohortDescription, write_cohort
from lung_ssp.config import Config
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.tasks import TaskType, read_training
from lung_ssp.training.batches import StepBatch, batches, dropout_seed
from lung_ssp.training.onnx import ExportedNetwork
from lung_ssp.training.onnx_export import Exportable, to_onnx
from lung_ssp.training.order import SampleOrder
from lung_ssp.training.precision import Precision
from lung_ssp.training.settings import TrainingSettings
from lung_ssp.training.task import BenchmarkCases, Training
from lung_ssp.training.update import Updater

NOISE = "noise for a benchmark"


@dataclass(frozen=True)
class Subject:
    """The task of a configuration, its settings, and everything that is trained."""

    task_type: TaskType
    config: Config[TrainingSettings]
    training: Training

    @property
    def settings(self) -> TrainingSettings:
        """Of the configuration."""
        return self.config.settings

    @property
    def cases(self) -> BenchmarkCases:
        """How the network is fed and used."""
        return self.task_type.benchmark_cases(self.settings)

    def new_network(self) -> paddle.nn.Layer:
        """An untrained network in float32; the trained one is float16 under O2."""
        return self.task_type.build_network(self.config)


def build_subject(config: Path) -> Subject:
    """The subject of a configuration file.

    Raises:
        LungSspError: the configuration or its cohort is invalid.
    """
    task_type, found = read_training(config)
    return Subject(task_type, found, task_type.build(found))


def write_noise_cohort(root: Path, config: Path) -> None:
    """Write a cohort of noise for a configuration file, to measure a speed where no cohort is prepared."""
    task_type, found = read_training(config)
    description = CohortDescription(
        name=NOISE, synthetic=True, origin=NOISE, fingerprint="noise", key="noise", section=SectionSettings()
    )
    write_cohort(root, description)
    task_type.benchmark_cases(found.settings).write_noise(root, np.random.default_rng(found.settings.seed))


@contextmanager
def open_steps(case: Case, subject: Subject) -> Iterator[tuple[Iterator[Any], Callable[[Any], Any]]]:
    """The case's batches, without end, and its step; the batches can be read as long as this is open."""
    if case.phase == "training":
        with training_batches(case, subject) as step_batches:
            yield step_batches, training_step(subject)
    else:
        step = exported_step(subject) if case.engine == "onnx" else inference_step(subject)
        yield inference_batches(case, subject), step


@contextmanager
def training_batches(case: Case, subject: Subject) -> Iterator[Iterator[StepBatch]]:
    """The batches of a training from its first step on."""
    settings, task, real = subject.settings, subject.training.task, case.input == "real"
    order = SampleOrder(task.size, settings.batch_size, settings.seed)
    prefetch = settings.compute.prefetch if real else 0
    with batches(task.load, order, settings.seed, range(1, sys.maxsize), prefetch) as step_batches:
        yield step_batches if real else itertools.repeat(next(step_batches))


def inference_batches(case: Case, subject: Subject) -> Iterator[list[np.ndarray]]:
    """The network's inputs, without augmentation."""
    step_batches = subject.cases.inference_inputs(subject.training.task, case.batch_size)
    return step_batches if case.input == "real" else itertools.repeat(next(step_batches))


def image_shape(case: Case, subject: Subject) -> tuple[int, ...]:
    """The shape (n, channels, height, width) of the images in a step."""
    if case.phase == "training":
        return subject.cases.input_shape
    return next(inference_batches(case, subject))[0].shape


def training_step(subject: Subject) -> Callable[[StepBatch], paddle.Tensor]:
    """One update as the training makes it; returns its loss, which stays on the device."""
    settings, task = subject.settings, subject.training.task
    update = Updater(task, Precision(settings.compute, task.network, subject.training.optimizer), settings)
    task.network.train()

    def step(step_batch: StepBatch) -> paddle.Tensor:
        paddle.seed(dropout_seed(settings.seed, step_batch.step))
        losses = update(step_batch.batch)
        subject.training.scheduler.step()
        return losses["total"].detach()

    return step


def inference_step(subject: Subject) -> Callable[[list[np.ndarray]], np.ndarray]:
    """Arrays to predictions, as evaluation and diagnosis compute them."""
    network = subject.training.task.network
    precision = Precision(subject.settings.compute, network, subject.training.optimizer)
    network.eval()

    def step(inputs: list[np.ndarray]) -> np.ndarray:
        with precision.autocast():
            return subject.cases.predict(network, inputs)

    return step


def exported_step(subject: Subject) -> Callable[[list[np.ndarray]], np.ndarray]:
    """The same in ONNX Runtime, of the network exported as `lung-ssp export` does it."""
    network, cases = subject.training.task.network, subject.cases
    network.eval()
    exported = ExportedNetwork(to_onnx(Exportable(network, (cases.input_shape,), cases.sizes_vary, fingerprint="")))
    return lambda inputs: cases.predict_exported(exported, *inputs)
