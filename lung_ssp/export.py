"""The best network of a run as an ONNX file, which other programs can run without Paddle."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from lung_ssp.classification.build import load_classifier
from lung_ssp.errors import CheckpointError, EnvironmentFault
from lung_ssp.exported import FACTS_FILE, FOLDER, NETWORK_FILE, ExportedNetwork
from lung_ssp.files import write_atomically, write_json
from lung_ssp.runtime import package_version
from lung_ssp.segmentation.settings import SMALLEST_SIZE
from lung_ssp.segmentation.trained import load_segmenter
from lung_ssp.tasks import read_run

OPSET = 13
TOLERANCE = 1e-4
SEED = 0


@dataclass(frozen=True)
class Exportable:
    """A trained network, and the shapes (n, channels, height, width) of inputs on which its export is compared.

    sizes_vary: whether its images may have any height and width.
    fingerprint: of its weights.
    """

    network: paddle.nn.Layer
    shapes: tuple[tuple[int, ...], ...]
    sizes_vary: bool
    fingerprint: str


def export_run(run: Path) -> str:
    """Write export/network.onnx and export/export.json into a run's folder.

    Any number of images may be given to the exported network, and to a U-Net images of any height and width that
    four halvings divide. It gives logits, as Paddle's network does; nothing is written unless they are equal.

    Returns:
        what was written, and how far the two are apart.

    Raises:
        CheckpointError: the folder holds no trained run, one of a network that cannot be exported, or the exported
            network computes something else.
        EnvironmentFault: paddle2onnx or ONNX Runtime is missing.
    """
    exportable = open_exportable(run)
    model = to_onnx(exportable)
    difference = greatest_difference(exportable, ExportedNetwork(model))
    if not difference <= TOLERANCE:
        raise CheckpointError(
            f"The export of {run} differs from Paddle's network by {difference:.2g}, more than {TOLERANCE:g}: use the "
            "run without an export, and report it."
        )
    path = run / FOLDER / NETWORK_FILE
    write_atomically(path, lambda file: file.write(model))
    write_json(
        run / FOLDER / FACTS_FILE,
        {
            "weights_fingerprint": exportable.fingerprint,
            "sha256": hashlib.sha256(model).hexdigest(),
            "opset": OPSET,
            "greatest_difference": difference,
            "paddle2onnx": package_version("paddle2onnx"),
        },
    )
    return f"{path}: {len(model) / 1e6:.1f} MB, outputs within {difference:.1g} of Paddle's"


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


def to_onnx(exportable: Exportable) -> bytes:
    """The bytes of an ONNX file."""
    if not paddle.__version__.startswith("2."):
        raise EnvironmentFault(f"The export needs Paddle 2.6; this is {paddle.__version__}: export the run there.")
    try:
        import paddle2onnx
    except ImportError as error:
        raise EnvironmentFault("The export needs paddle2onnx: pip install paddle2onnx==1.3.1.") from error
    inputs = [paddle.static.InputSpec([None, *exportable.shapes[0][1:]], "float32", "images")]
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder) / "network"
        for layer in exportable.network.sublayers(include_self=True):
            # traced as it runs, from here on in this process: Paddle's rewriting of source fails on some of Python's
            paddle.jit.not_to_static(type(layer).forward)
        paddle.jit.save(exportable.network, str(prefix), input_spec=inputs)
        program, weights = prefix.with_suffix(".pdmodel"), prefix.with_suffix(".pdiparams")
        if exportable.sizes_vary:
            program.write_bytes(for_any_size(program.read_bytes()))
        onnx_file = prefix.with_suffix(".onnx")
        paddle2onnx.export(str(program), str(weights), str(onnx_file), opset_version=OPSET)
        return onnx_file.read_bytes()


def for_any_size(program: bytes) -> bytes:
    """A traced program of a U-Net for images of any height and width.

    It is traced with a size that four halvings divide, since an odd one would be padded; of all it computes only the
    shapes that are noted down depend on that size.
    """
    description = paddle.base.core.ProgramDesc(program)
    for variable in description.block(0).all_vars():
        is_tensor = variable.type() == paddle.base.core.VarDesc.VarType.LOD_TENSOR
        if is_tensor and not variable.persistable() and len(variable.shape()) == 4:
            variable.set_shape([-1, variable.shape()[1], -1, -1])
    return bytes(description.serialize_to_string())


def greatest_difference(exportable: Exportable, exported: ExportedNetwork) -> float:
    """How far the outputs of both are apart on seeded images of each shape; NaN where one is no number.

    It is a share of the largest output where that is beyond 1: float32 has seven digits, however large a logit is.
    """
    random = np.random.default_rng(SEED)
    differences = []
    for shape in exportable.shapes:
        images = random.random(shape, dtype=np.float32)
        with paddle.no_grad():
            expected = [output.numpy() for output in exportable.network(paddle.to_tensor(images))]
        differences += [
            np.abs(own - paddles).max() / max(1.0, np.abs(paddles).max())
            for own, paddles in zip(exported(images), expected, strict=True)
        ]
    return float(np.max(differences))
