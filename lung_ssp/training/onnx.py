"""A run's exported network, run by ONNX Runtime on the CPU, without Paddle."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from lung_ssp.errors import CheckpointError, ConfigError, EnvironmentProblem, is_want_of_memory
from lung_ssp.files import read_json
from lung_ssp.runtime import Device, package_version, threads
from lung_ssp.settings import Settings
from lung_ssp.training.onnx_parts import PARTS_FILE, read_parts
from lung_ssp.training.run import EXPORT_FOLDER, best_fingerprint, read_best

NETWORK_FILE, FACTS_FILE = "network.onnx", "export.json"

Engine = Literal["onnx", "paddle"]


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
        options.intra_op_num_threads = threads()
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._names = [one.name for one in self._session.get_inputs()]

    @property
    def takes_region(self) -> bool:
        """Whether it computes a part of its images where no more is asked for; exports of earlier versions do not."""
        return len(self._names) > 1

    def __call__(self, batch: np.ndarray, region: np.ndarray | None = None) -> list[np.ndarray]:
        """One float32 batch to the network's outputs, in their order.

        Args:
            region: int64 (4,), of a network that takes one, in steps of two pixels; None: the whole images.
        """
        if not self.takes_region:
            return self._session.run(None, {self._names[0]: batch})
        if region is None:
            region = np.array([0, 0, *batch.shape[2:]], np.int64) // 2
        return self._session.run(None, dict(zip(self._names, (batch, region), strict=True)))


def load_exported(run: Path) -> ExportedNetwork:
    """The exported network of a run, if its file is undamaged and holds the run's best weights.

    Raises:
        CheckpointError: the run has no export, a damaged or foreign one, or one of other weights.
        EnvironmentProblem: ONNX Runtime is missing.
    """
    return ExportedNetwork(exported_bytes(run))


def exported_bytes(run: Path) -> bytes:
    """The bytes of a run's ONNX file, of which a shipped run has only what its checkpoint does not hold.

    Raises:
        CheckpointError: as `load_exported`.
    """
    facts_path, network_path = (run / EXPORT_FOLDER / name for name in (FACTS_FILE, NETWORK_FILE))
    again = f"export it again with lung-ssp export {run}"
    in_parts = not network_path.is_file() and (run / EXPORT_FOLDER / PARTS_FILE).is_file()
    if not facts_path.is_file() or not (network_path.is_file() or in_parts):
        raise CheckpointError(f"{run} has not been exported: {again}, or use --engine paddle.")
    found = read_json(facts_path)
    model = read_parts(run / EXPORT_FOLDER, read_best(run)[1]) if in_parts else network_path.read_bytes()
    try:
        facts = ExportFacts.model_validate(found)
    except ValidationError:
        facts = None
    if facts is None or hashlib.sha256(model).hexdigest() != facts.sha256:
        raise CheckpointError(f"{network_path} is damaged (its SHA-256 is not the one in {FACTS_FILE}): {again}.")
    if facts.weights_fingerprint != best_fingerprint(run):
        raise CheckpointError(f"{network_path} holds other weights than the best checkpoint of {run}: {again}.")
    return model


def engine_for(run: Path, requested: Engine | None, device: Device) -> Engine:
    """The engine that runs a network: the requested one, else ONNX Runtime on a CPU where it and an export are there.

    Raises:
        ConfigError: ONNX Runtime was requested on a GPU.
    """
    if requested == "onnx" and device != "cpu":
        raise ConfigError("--engine onnx runs on the CPU: leave out --device gpu, or use --engine paddle.")
    if requested is not None:
        return requested
    is_exported = (run / EXPORT_FOLDER / FACTS_FILE).is_file()
    return "onnx" if device == "cpu" and is_exported and package_version("onnxruntime") else "paddle"


def libraries_of(engines: Collection[Engine]) -> tuple[str, ...]:
    """The packages that `require_libraries` has to load before networks are run by these engines."""
    return ("cv2", "paddle", "paddleseg") if "paddle" in engines else ("cv2",)
