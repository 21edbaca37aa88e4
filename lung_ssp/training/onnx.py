"""A run's network as an ONNX file: written from Paddle's network, and run by ONNX Runtime on the CPU."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import paddle
from pydantic import Field, ValidationError

from lung_ssp.errors import CheckpointError, ConfigError, EnvironmentProblem, is_want_of_memory
from lung_ssp.files import naming, read_json, write_atomically, write_json
from lung_ssp.runtime import Device, cores, package_version
from lung_ssp.settings import Settings
from lung_ssp.training.run import EXPORT_FOLDER, best_fingerprint

NETWORK_FILE, FACTS_FILE = "network.onnx", "export.json"
OPSET = 13
TOLERANCE = 1e-4
SEED = 0

Engine = Literal["onnx", "paddle"]


@dataclass(frozen=True)
class Exportable:
    """A trained network, and the shapes (n, channels, height, width) of the inputs on which its export is compared.

    sizes_vary: whether its images may have any height and width.
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


class ExportFacts(Settings):
    """What export/export.json says of the ONNX file beside it."""

    weights_fingerprint: str = Field(description="of the checkpoint that was exported")
    sha256: str = Field(description="of the ONNX file")
    opset: int | None = Field(None, description="version of ONNX's operators")
    greatest_difference: float | None = Field(None, description="between its outputs and Paddle's")
    paddle2onnx: str | None = Field(None, description="the version of the converter")


class ExportedNetwork:
    """A network in ONNX Runtime, with as many threads as Paddle has (OMP_NUM_THREADS), else one for each core.

    Args:
        model: the bytes of an ONNX file.

    Raises:
        EnvironmentProblem: ONNX Runtime is missing.
    """

    def __init__(self, model: bytes) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            if is_want_of_memory(error):
                raise MemoryError from error
            raise EnvironmentProblem(
                "An exported network needs ONNX Runtime: pip install onnxruntime, or use --engine paddle."
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", cores()))
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._name = self._session.get_inputs()[0].name

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        """One float32 batch to the network's outputs, in their order."""
        return self._session.run(None, {self._name: batch})


def load_exported(run: Path) -> ExportedNetwork:
    """The exported network of a run, if its file is undamaged and holds the run's best weights.

    Raises:
        CheckpointError: the run has no export, a damaged or foreign one, or one of other weights.
        EnvironmentProblem: ONNX Runtime is missing.
    """
    facts_path, network_path = (run / EXPORT_FOLDER / name for name in (FACTS_FILE, NETWORK_FILE))
    again = f"export it again with lung-ssp export {run}"
    if not facts_path.is_file() or not network_path.is_file():
        raise CheckpointError(f"{run} has not been exported: {again}, or use --engine paddle.")
    found, model = read_json(facts_path), network_path.read_bytes()
    try:
        facts = ExportFacts.model_validate(found)
    except ValidationError:
        facts = None
    if facts is None or hashlib.sha256(model).hexdigest() != facts.sha256:
        raise CheckpointError(f"{network_path} is damaged (its SHA-256 is not the one in {FACTS_FILE}): {again}.")
    if facts.weights_fingerprint != best_fingerprint(run):
        raise CheckpointError(f"{network_path} holds other weights than the best checkpoint of {run}: {again}.")
    return ExportedNetwork(model)


def engine_for(run: Path, requested: Engine | None, device: Device) -> Engine:
    """The engine that runs a network: the requested one, else ONNX Runtime on a CPU where the run has been exported.

    Raises:
        ConfigError: ONNX Runtime was requested on a GPU.
    """
    if requested == "onnx" and device != "cpu":
        raise ConfigError("--engine onnx runs on the CPU: leave out --device gpu, or use --engine paddle.")
    if requested is not None:
        return requested
    return "onnx" if device == "cpu" and (run / EXPORT_FOLDER / FACTS_FILE).is_file() else "paddle"


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
    images = paddle.static.InputSpec([None, *exportable.shapes[0][1:]], "float32", "images")
    with tempfile.TemporaryDirectory() as folder, naming(Path(folder)):
        prefix = Path(folder) / "network"
        for layer in exportable.network.sublayers(include_self=True):
            # Trace the forward passes as they run, from here on in this process: Paddle's translation of their source
            # code to a static graph does not know all of Python.
            paddle.jit.not_to_static(type(layer).forward)
        paddle.jit.save(exportable.network, str(prefix), input_spec=[images])
        program, weights, model = (prefix.with_suffix(end) for end in (".pdmodel", ".pdiparams", ".onnx"))
        if exportable.sizes_vary:
            program.write_bytes(for_any_size(program.read_bytes()))
        paddle2onnx.export(str(program), str(weights), str(model), opset_version=OPSET)
        return model.read_bytes()


def for_any_size(program: bytes) -> bytes:
    """A traced program of a U-Net, changed to take images of any height and width that four halvings divide.

    The trace has one size, which four halvings divide, since a U-Net pads other sizes. Nothing that the program
    computes depends on that size; only the shapes noted with its variables do, and they are set to unknown.
    """
    description = paddle.base.core.ProgramDesc(program)
    for variable in description.block(0).all_vars():
        is_tensor = variable.type() == paddle.base.core.VarDesc.VarType.LOD_TENSOR
        if is_tensor and not variable.persistable() and len(variable.shape()) == 4:
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
