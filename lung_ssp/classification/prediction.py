"""A network's predictions in evaluation mode, and how many of them are right."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import paddle

from lung_ssp.cohort.classes import MISSING, TASK_NAMES
from lung_ssp.training.distributed import all_reduce

EVALUATION_BATCH = 256


@paddle.no_grad()
def predict_logits(network: paddle.nn.Layer, *inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of both tasks in evaluation mode, by task name, float32 (n, classes); leaves the mode as it was.

    `inputs` are as the network takes them, each with n samples.
    """
    with evaluating(network):
        parts = [
            network(*(paddle.to_tensor(array[start : start + EVALUATION_BATCH]) for array in inputs))
            for start in range(0, len(inputs[0]), EVALUATION_BATCH)
        ]
    return {task: np.concatenate([part[k].numpy() for part in parts]) for k, task in enumerate(TASK_NAMES)}


@paddle.no_grad()
def mean_accuracy(network: paddle.nn.Layer, inputs: list[paddle.Tensor], labels: dict[str, np.ndarray]) -> float:
    """The mean over the tasks that have labels of each task's accuracy, as the paper's log reports it.

    Counted on the device and read once; with several processes, over the samples of all of them.

    Args:
        network: its mode is left as it was.
        inputs: as the network takes them, each with n samples.
        labels: by task name, int64 (n,); -1 for missing.
    """
    correct = [paddle.zeros([], "int64") for _ in TASK_NAMES]
    with evaluating(network):
        for start in range(0, len(inputs[0]), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            logits = network(*(tensor[part] for tensor in inputs))
            for k, task in enumerate(TASK_NAMES):
                right = logits[k].argmax(axis=1) == paddle.to_tensor(labels[task][part])
                correct[k] = correct[k] + right.astype("int64").sum()
    labelled = np.array([np.count_nonzero(labels[task] != MISSING) for task in TASK_NAMES])
    counts = zip(all_reduce(paddle.stack(correct).numpy()), all_reduce(labelled), strict=True)
    shares = [right / count for right, count in counts if count]
    return float(np.mean(shares))


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
