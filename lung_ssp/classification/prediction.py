"""A network's predictions in evaluation mode, and how many of them are right."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import paddle
from paddle.nn import functional

from lung_ssp.cohort.classes import MISSING, TASK_NAMES
from lung_ssp.training.distributed import all_reduce
from lung_ssp.training.finite import NotFinite

EVALUATION_BATCH = 256


@paddle.no_grad()
def predict_logits(network: paddle.nn.Layer, *inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of both tasks in evaluation mode, by task name, float32 (n, classes); leaves the mode as it was.

    `inputs` are as the network takes them, each with n samples.

    Raises:
        NotFinite: a logit is NaN or infinite.
    """
    parts = []
    with evaluating(network):
        for start in range(0, len(inputs[0]), EVALUATION_BATCH):
            part = [paddle.to_tensor(array[start : start + EVALUATION_BATCH]) for array in inputs]
            logits = network(*part)
            check_number(int(count_not_finite(network, logits, part)))
            parts.append(logits)
    return {task: np.concatenate([part[k].numpy() for part in parts]) for k, task in enumerate(TASK_NAMES)}


@dataclass(frozen=True)
class Tested:
    """How a network did on samples with labels.

    accuracy: the mean over the tasks that have labels of each task's accuracy, as the paper's log reports it.
    said: of each task that the network diagnoses without a slide, how often it says each class, int64 (classes,).
    """

    accuracy: float
    said: dict[str, np.ndarray]


def mean_accuracy(network: paddle.nn.Layer, inputs: list[paddle.Tensor], labels: dict[str, np.ndarray]) -> float:
    """The accuracy that `measured_on` finds."""
    return measured_on(network, inputs, labels).accuracy


@paddle.no_grad()
def measured_on(network: paddle.nn.Layer, inputs: list[paddle.Tensor], labels: dict[str, np.ndarray]) -> Tested:
    """How many predictions are right, and which classes are said.

    Counted on the device and read once; with several processes, over the samples of all of them.

    Args:
        network: its mode is left as it was.
        inputs: as the network takes them, each with n samples.
        labels: by task name, int64 (n,); -1 for missing.

    Raises:
        NotFinite: a logit is NaN or infinite; argmax would make a class of it.
    """
    correct = [paddle.zeros([], "int64") for _ in TASK_NAMES]
    not_finite = paddle.zeros([], "int64")
    said: dict[str, paddle.Tensor] = {}
    diagnosed = getattr(network, "diagnosed_tasks", TASK_NAMES)
    with evaluating(network):
        for start in range(0, len(inputs[0]), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            batch = [tensor[part] for tensor in inputs]
            logits = network(*batch)
            not_finite = not_finite + count_not_finite(network, logits, batch)
            for k, task in enumerate(TASK_NAMES):
                predicted = logits[k].argmax(axis=1)
                right = predicted == paddle.to_tensor(labels[task][part])
                correct[k] = correct[k] + right.astype("int64").sum()
                if task in diagnosed:
                    # not paddle.bincount, for which the host would wait for the device
                    counts = functional.one_hot(predicted, logits[k].shape[1]).sum(axis=0).astype("int64")
                    said[task] = said[task] + counts if task in said else counts
    labelled = np.array([np.count_nonzero(labels[task] != MISSING) for task in TASK_NAMES])
    *right_answers, wrong_numbers = all_reduce(paddle.stack([*correct, not_finite]).numpy())
    check_number(int(wrong_numbers))
    counts = zip(right_answers, all_reduce(labelled), strict=True)
    shares = [right / count for right, count in counts if count]
    return Tested(float(np.mean(shares)), {task: all_reduce(own.numpy()) for task, own in said.items()})


def count_not_finite(
    network: paddle.nn.Layer, logits: Sequence[paddle.Tensor], inputs: Sequence[paddle.Tensor]
) -> paddle.Tensor:
    """How many logits of both tasks are NaN or infinite, int64 []; it stays on the device.

    Those that a network of two inputs gives for a sample without a slide are not counted: they say that there is no
    pathology diagnosis.
    """
    count = paddle.zeros([], "int64")
    for task, of_task in zip(TASK_NAMES, logits, strict=True):
        wrong = (~paddle.isfinite(of_task)).astype("int64").sum(axis=1)
        if task in getattr(network, "diagnosed_tasks", TASK_NAMES):
            count = count + wrong.sum()
        elif len(inputs) == 3:  # sections, slides, and which sections have one
            count = count + (wrong * inputs[2].astype("int64")).sum()
    return count


def check_number(not_finite: int) -> None:
    """Refuse logits of which so many are not finite: NotFinite if there is one, of which argmax would make a class."""
    if not_finite:
        raise NotFinite("The network's output is not finite")


@contextmanager
def evaluating(network: paddle.nn.Layer) -> Iterator[None]:
    """Evaluation mode; afterwards the mode is the one before."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        if was_training:
            network.train()
