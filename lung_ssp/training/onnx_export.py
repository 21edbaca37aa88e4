"""A run's network written as an ONNX file, from Paddle's network."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from lung_ssp.errors import CheckpointError, EnvironmentProblem, is_want_of_memory
from lung_ssp.files import naming, write_atomically, write_json
from lung_ssp.runtime import package_version
from lung_ssp.training.onnx import FACTS_FILE, NETWORK_FILE, ExportedNetwork, ExportFacts
from lung_ssp.training.run import EXPORT_FOLDER

OPSET = 13
TOLERANCE = 1e-4
SEED = 0


@dataclass(frozen=True)
class Exportable:
    """A trained network, and the shapes (n, channels, height, width) of the inputs on which its export is compared.

    sizes_vary: whether its images may have any height and width, of which a region may be asked for.
    fingerprint: of its weights.
    """

    network: paddle.nn.Layer
    shapes: tuple[tuple[int, ...], ...]
    sizes_vary: bool
    fingerprint: str


@dataclass(frozen=True)
class OnnxFile:
    """A written export.

    greatest_difference: between its outputs and those of Paddle's network, as `greatest_difference` gives it.
    """

    path: Path
    megabytes: float
    greatest_difference: float


def write_onnx(run: Path, exportable: Exportable) -> OnnxFile:
    """Write export/network.onnx and export/export.json into the folder of a run, if ONNX Runtime computes the same.

    Raises:
        CheckpointError: the exported network computes something else; nothing is written then.
        EnvironmentProblem: paddle2onnx or ONNX Runtime is missing.
    """
    model = to_onnx(exportable)
    difference = greatest_difference(exportable, ExportedNetwork(model))
    if not difference <= TOLERANCE:
        raise CheckpointError(
            f"The export of {run} differs from Paddle's network by {difference:.2g}, more than {TOLERANCE:g}: use the "
            "run without an export, and report it."
        )
    path = run / EXPORT_FOLDER / NETWORK_FILE
    (run / EXPORT_FOLDER / FACTS_FILE).unlink(missing_ok=True)  # a kill between the two must not leave a damaged export
    write_atomically(path, lambda file: file.write(model))
    facts = ExportFacts(
        weights_fingerprint=exportable.fingerprint,
        sha256=hashlib.sha256(model).hexdigest(),
        opset=OPSET,
        greatest_difference=difference,
        paddle2onnx=package_version("paddle2onnx"),
    )
    write_json(run / EXPORT_FOLDER / FACTS_FILE, facts.model_dump())
    return OnnxFile(path, len(model) / 1e6, difference)


def to_onnx(exportable: Exportable) -> bytes:
    """The bytes of an ONNX file; it takes any number of images, where `sizes_vary` of any size (`for_any_size`).

    Raises:
        EnvironmentProblem: paddle2onnx is missing, or Paddle is not of version 2.
    """
    if not paddle.__version__.startswith("2."):
        raise EnvironmentProblem(f"The export needs Paddle 2.6; this is {paddle.__version__}: export the run there.")
    try:
        import paddle2onnx
    except ImportError as error:
        if is_want_of_memory(error):
            raise MemoryError from error
        raise EnvironmentProblem("The export needs paddle2onnx: pip install paddle2onnx==1.3.1.") from error
    inputs = [paddle.static.InputSpec([None, *exportable.shapes[0][1:]], "float32", "images")]
    if exportable.sizes_vary:
        inputs.append(paddle.static.InputSpec([4], "int64", "region"))
    with tempfile.TemporaryDirectory() as folder, naming(Path(folder)):
        prefix = Path(folder) / "network"
        for layer in exportable.network.sublayers(include_self=True):
            # Trace the forward passes as they run, from here on in this process: Paddle's translation of their source
            # code to a static graph does not know all of Python.
            paddle.jit.not_to_static(type(layer).forward)
        paddle.jit.save(exportable.network, str(prefix), input_spec=inputs)
        program, weights, model = (prefix.with_suffix(end) for end in (".pdmodel", ".pdiparams", ".onnx"))
        if exportable.sizes_vary:
            program.write_bytes(for_any_size(program.read_bytes()))
        paddle2onnx.export(str(program), str(weights), str(model), opset_version=OPSET, verbose=False)
        return model.read_bytes()


def for_any_size(program: bytes) -> bytes:
    """A traced program of a U-Net, changed to take images of any height and width that four halvings divide.

    The trace has one size, which four halvings divide, since a U-Net pads other sizes. Nothing that the program
    computes depends on that size; only the shapes noted with its images and features do, and they are set to unknown.
    Kernels that are computed of others keep theirs: their first side is known, unlike the number of images.
    """
    description = paddle.base.core.ProgramDesc(program)
    for variable in description.block(0).all_vars():
        is_tensor = variable.type() == paddle.base.core.VarDesc.VarType.LOD_TENSOR
        if is_tensor and len(variable.shape()) == 4 and variable.shape()[0] == -1:
            variable.set_shape([-1, variable.shape()[1], -1, -1])
    return bytes(description.serialize_to_string())


def greatest_difference(exportable: Exportable, exported: ExportedNetwork) -> float:
    """The greatest difference between the outputs of both on seeded images of each shape; NaN where an output is NaN.

    It is relative to the largest output where that is beyond 1, since float32 has seven digits.
    """
    random = np.random.default_rng(SEED)
    differences = []
    for shape in exportable.shapes:
        images = random.random(shape, dtype=np.float32)
        with paddle.no_grad():
            expected = [output.numpy() for output in exportable.network(paddle.to_tensor(images))]
        differences += [
            np.abs(onnx - reference).max() / max(1.0, np.abs(reference).max())
            for onnx, reference in zip(exported(images), expected, strict=True)
        ]
    return float(np.max(differences))
