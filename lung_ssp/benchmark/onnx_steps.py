"""The steps that are timed in ONNX Runtime: the network of the subject, exported as `lung-ssp export` does it."""

from collections.abc import Callable

import numpy as np

from lung_ssp.benchmark.subject import Subject
from lung_ssp.segmentation.predict import OnnxPredictor
from lung_ssp.segmentation.settings import SMALLEST_SIZE
from lung_ssp.training.onnx import Exportable, ExportedNetwork, to_onnx


def inference_step(subject: Subject) -> Callable[[list[np.ndarray]], np.ndarray]:
    """Arrays to the logits of both tasks or the probability of a nodule, as diagnosis computes them on a CPU."""
    network, model = subject.task.network, subject.settings.model
    network.eval()
    segments = subject.settings.task == "segmentation"
    channels, size = (model.in_channels, SMALLEST_SIZE) if segments else (1, model.image_size)
    exported = ExportedNetwork(to_onnx(Exportable(network, ((1, channels, size, size),), segments, fingerprint="")))
    predict = OnnxPredictor(exported, channels)

    def step(inputs: list[np.ndarray]) -> np.ndarray:
        (images,) = inputs
        return predict(images) if segments else np.concatenate(exported(images), axis=1)

    return step
