"""The steps that are timed in Paddle: the product's own."""

from collections.abc import Callable

import numpy as np
import paddle

from lung_ssp.benchmark.subject import Subject
from lung_ssp.classification.prediction import predict_logits
from lung_ssp.segmentation.predict import probability_of_images
from lung_ssp.training.batches import StepBatch, dropout_seed
from lung_ssp.training.loop import update
from lung_ssp.training.precision import Precision


def training_step(subject: Subject) -> Callable[[StepBatch], paddle.Tensor]:
    """One update as the training makes it, to its loss, which stays on the device."""
    settings, task = subject.settings, subject.task
    precision = Precision(settings.compute, task.network, subject.optimizer)
    task.network.train()

    def step(drawn: StepBatch) -> paddle.Tensor:
        paddle.seed(dropout_seed(settings.seed, drawn.step))
        losses = update(task, precision, drawn.batch)
        subject.scheduler.step()
        return losses["total"].detach()

    return step


def inference_step(subject: Subject) -> Callable[[list[np.ndarray]], np.ndarray]:
    """Arrays to the logits of both tasks or the probability of a nodule, as evaluation and diagnosis compute them."""
    network = subject.task.network
    precision = Precision(subject.settings.compute, network, subject.optimizer)
    network.eval()

    def step(inputs: list[np.ndarray]) -> np.ndarray:
        with precision.autocast():
            if subject.settings.task == "segmentation":
                return probability_of_images(network, *inputs)
            return np.concatenate(list(predict_logits(network, *inputs).values()), axis=1)

    return step
