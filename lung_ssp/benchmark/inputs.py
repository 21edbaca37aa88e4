"""What a benchmark's steps work on: real input as training and inference read it, or one batch again and again.

Synthetic input is a batch of the cohort of noise, read beforehand: it leaves the reading out.
"""

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from lung_ssp.benchmark.cases import Case
from lung_ssp.benchmark.subject import Subject
from lung_ssp.classification.dataset import SectionBatch
from lung_ssp.classification.monitoring import MonitoredTask
from lung_ssp.segmentation.task import Batch, SegmentationTask
from lung_ssp.training.batches import Load, StepBatch, batches
from lung_ssp.training.order import SampleOrder


@contextmanager
def training_batches(case: Case, subject: Subject) -> Iterator[Iterator[StepBatch]]:
    """The batches of a training from its first step on."""
    settings, task, real = subject.settings, subject.task, case.input == "real"
    order = SampleOrder(task.size, settings.batch_size, settings.seed)
    load = host_load(subject) if case.engine == "torch" else task.load
    prefetch = settings.compute.prefetch if real else 0
    with batches(load, order, settings.seed, range(1, sys.maxsize), prefetch) as coming:
        yield coming if real else itertools.repeat(next(coming))


def host_load(subject: Subject) -> Load:
    """What reads a training batch as arrays; the task itself may keep its data on a GPU, for Paddle alone."""
    task = subject.task
    return task.training.batch if isinstance(task, MonitoredTask) else task.load


def inference_batches(case: Case, subject: Subject) -> Iterator[list[np.ndarray]]:
    """What the network is given, without random changes: sections of the training set, or slices of a scan."""
    if isinstance(subject.task, SegmentationTask):
        coming = slices_in_turn(subject.task, case.batch_size)
    else:
        coming = sections_in_turn(subject.task, case.batch_size)
    return coming if case.input == "real" else itertools.repeat(next(coming))


def sections_in_turn(task: MonitoredTask, count: int) -> Iterator[list[np.ndarray]]:
    """`count` training sections at a time, from the first to the last and round again."""
    for start in itertools.count(step=count):
        yield task.training.batch(np.arange(start, start + count) % task.size).arrays()


def slices_in_turn(task: SegmentationTask, count: int) -> Iterator[list[np.ndarray]]:
    """`count` slices at a time of the first validation scan, round and round: other scans are of other sizes."""
    indices = itertools.cycle(task.val_dataset.indices_by_scan()[0])
    while True:
        yield [np.stack([task.val_dataset[index]["img"] for index in itertools.islice(indices, count)])]


def example_inputs(case: Case, subject: Subject) -> list[np.ndarray]:
    """What the network is given in a step."""
    if case.phase == "inference":
        return next(inference_batches(case, subject))
    indices = np.arange(case.batch_size)
    return network_inputs(host_load(subject)(indices, np.random.default_rng(subject.settings.seed)))


def network_inputs(batch: SectionBatch | Batch) -> list[np.ndarray]:
    """What the network is given of a training batch."""
    return [batch.images] if isinstance(batch, Batch) else batch.arrays()
