"""A run's network as `lung-ssp export` has written it, run by ONNX Runtime on the CPU."""

import hashlib
import os
from pathlib import Path
from typing import Literal

import numpy as np

from lung_ssp.errors import CheckpointError, ConfigError, EnvironmentFault
from lung_ssp.files import read_json
from lung_ssp.training.run import best_fingerprint

FOLDER, NETWORK_FILE, FACTS_FILE = "export", "network.onnx", "export.json"

Engine = Literal["onnx", "paddle"]


class ExportedNetwork:
    """A network in ONNX Runtime, with as many threads as this process has cores.

    Args:
        model: the bytes of an ONNX file.
    """

    def __init__(self, model: bytes) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise EnvironmentFault(
                "An exported network needs ONNX Runtime: pip install onnxruntime, or use --engine paddle."
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._name = self._session.get_inputs()[0].name

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        """One float32 batch to the network's outputs, in their order."""
        return self._session.run(None, {self._name: batch})


def load_exported(run: Path) -> ExportedNetwork:
    """The exported network of a run, if it is neither damaged nor of other weights than the run has by now.

    Raises:
        CheckpointError: the run has no export, a damaged or foreign one, or one of other weights.
        EnvironmentFault: ONNX Runtime is missing.
    """
    facts_path, network_path = run / FOLDER / FACTS_FILE, run / FOLDER / NETWORK_FILE
    again = f"export it again with lung-ssp export {run}"
    if not facts_path.is_file() or not network_path.is_file():
        raise CheckpointError(f"{run} has not been exported: {again}, or use --engine paddle.")
    facts, model = read_json(facts_path), network_path.read_bytes()
    if not isinstance(facts, dict) or hashlib.sha256(model).hexdigest() != facts.get("sha256"):
        raise CheckpointError(f"{network_path} is damaged or not what {FACTS_FILE} tells of: {again}.")
    if facts.get("weights_fingerprint") != best_fingerprint(run):
        raise CheckpointError(f"{network_path} holds other weights than {run} has by now: {again}.")
    return ExportedNetwork(model)


def engine_for(run: Path, asked: Engine | None, device: str) -> Engine:
    """What runs a network: what was asked for, else ONNX Runtime on a CPU where the run has been exported.

    Raises:
        ConfigError: ONNX Runtime was asked for on a GPU.
    """
    if asked == "onnx" and device != "cpu":
        raise ConfigError("--engine onnx runs on the CPU: leave out --device gpu, or use --engine paddle.")
    if asked is not None:
        return asked
    return "onnx" if device == "cpu" and (run / FOLDER / FACTS_FILE).is_file() else "paddle"
