"""The best network of a run of either task as an ONNX file, which other programs can run without Paddle."""

from pathlib import Path

from lung_ssp.classification.build import load_classifier
from lung_ssp.errors import CheckpointError
from lung_ssp.segmentation.settings import SMALLEST_SIZE
from lung_ssp.segmentation.trained import load_segmenter
from lung_ssp.tasks import read_run
from lung_ssp.training.onnx import Exportable, OnnxFile, write_onnx


def export_run(run: Path) -> OnnxFile:
    """Write export/network.onnx and export/export.json into a run's folder, by training.onnx.write_onnx.

    Raises:
        CheckpointError: the folder holds no trained run, one of a network that cannot be exported, or the exported
            network computes something else.
        EnvironmentFault: paddle2onnx or ONNX Runtime is missing.
    """
    return write_onnx(run, open_exportable(run))


def open_exportable(run: Path) -> Exportable:
    """The best network of a run of either task."""
    if read_run(run)[0].name == "segmentation":
        segmenter = load_segmenter(run)
        channels, size = segmenter.network.in_channels, SMALLEST_SIZE
        shapes = (1, channels, 2 * size, 2 * size), (2, channels, 3 * size, 5 * size)
        return Exportable(segmenter.network, shapes, True, segmenter.checkpoint["fingerprint"])
    classifier = load_classifier(run)
    model = classifier.settings.model
    if model.two_inputs:
        raise CheckpointError(f"{run} holds a network of two inputs, which cannot be exported: it is used with Paddle.")
    shapes = (1, 1, model.image_size, model.image_size), (5, 1, model.image_size, model.image_size)
    return Exportable(classifier.network, shapes, False, classifier.checkpoint["fingerprint"])
