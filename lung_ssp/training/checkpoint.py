"""Exact checkpoints: arrays as npz without pickle, everything else as JSON, both written atomically.

A checkpoint `name` has two files: the pointer `name.json`, which holds the state and the name and SHA-256 of the file
of arrays, and that file, `name-<step>.npz`. The pointer is renamed into place last, so a killed process leaves the old
checkpoint or the new one.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, JsonValue, ValidationError

from lung_ssp.errors import CheckpointError, DamagedFile, shown
from lung_ssp.files import read_json, read_npz, sha256_of, write_atomically, write_json
from lung_ssp.settings import Settings, first_problem
from lung_ssp.training.finite import NotFinite, first_not_finite

if TYPE_CHECKING:
    import paddle

FORMAT = "lung_ssp checkpoint 1"
NUMBERS = "fiub"  # the kinds of NumPy's types that are numbers
MASTERS = "master_weights"  # Paddle's key of the float32 copies of float16 weights


def save_checkpoint(folder: Path, name: str, step: int, arrays: dict[str, np.ndarray], state: dict[str, Any]) -> None:
    """Write checkpoint `name` of `step` and remove the arrays of those that it replaces.

    Raises:
        NotFinite: an array holds NaN or infinity; nothing is written then.
    """
    if (key := first_not_finite(arrays)) is not None:
        raise NotFinite(f"{key} is not finite")
    arrays_file = folder / arrays_name(name, step)
    write_atomically(arrays_file, lambda file: np.savez(file, **arrays))
    pointer = {"format": FORMAT, "step": step, "arrays": arrays_file.name, "sha256": sha256_of(arrays_file)}
    write_json(folder / f"{name}.json", {**pointer, "state": state})
    remove_older(folder, name, step)


def remove_older(folder: Path, name: str, step: int) -> None:
    """Remove the arrays of checkpoints `name` of earlier steps, as `save_checkpoint` names them, and nothing else."""
    for path in sorted(folder.glob(f"{name}-*.npz")):
        digits = path.stem.removeprefix(f"{name}-")
        if re.fullmatch("[0-9]{6,18}", digits) and path.name == arrays_name(name, int(digits)) and int(digits) < step:
            path.unlink()


class Pointer(Settings):
    """What <name>.json of a checkpoint says."""

    format: str = Field(description="the kind of file and its version")
    step: int = Field(ge=0, description="of the training")
    arrays: str = Field(description="the file of the arrays")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of that file; it begins with the weights' fingerprint")
    state: dict[str, JsonValue] = Field(description="everything that is no array")


def load_checkpoint(folder: Path, name: str) -> tuple[int, dict[str, np.ndarray], dict[str, Any]]:
    """Read checkpoint `name`: its step, its arrays and its state.

    Raises:
        CheckpointError: it is missing, incomplete, changed since it was written, or not of this project.
    """
    pointer, arrays = read_checkpoint(folder, name)
    return pointer.step, arrays, pointer.state


def read_pointer(folder: Path, name: str) -> Pointer:
    """The pointer of checkpoint `name`.

    Raises:
        CheckpointError: it is missing, damaged, or not of this project.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        raise CheckpointError(f"{folder} holds no checkpoint {name}.json: train the run first.")
    try:
        found = read_json(path)
        if isinstance(found, dict) and found.get("format", FORMAT) != FORMAT:
            raise CheckpointError(
                f"{path} has the format {shown(found['format'])}, not {FORMAT!r}: it is of another version of "
                "lung_ssp, use that one, or train afresh in another folder."
            )
        pointer = Pointer.model_validate(found)
        if Path(pointer.arrays).name != arrays_name(name, pointer.step):
            raise ValueError("arrays: they are not of that step")
    except (DamagedFile, ValueError) as error:  # pydantic's among them
        reason = first_problem(error) if isinstance(error, ValidationError) else str(error)
        what = "" if isinstance(error, DamagedFile) else f" ({reason})"
        raise CheckpointError(
            f"{path} is not a checkpoint of lung_ssp, or it is damaged{what}: restore it from a copy or train afresh "
            "in another folder."
        ) from error
    return pointer


def arrays_name(name: str, step: int) -> str:
    """The name of the file of a checkpoint's arrays."""
    return f"{name}-{step:06d}.npz"


def read_checkpoint(folder: Path, name: str) -> tuple[Pointer, dict[str, np.ndarray]]:
    """The pointer of checkpoint `name`, and its arrays; raises as `load_checkpoint` does."""
    pointer_file = folder / f"{name}.json"
    pointer = read_pointer(folder, name)
    arrays_file = folder / Path(pointer.arrays).name
    if not arrays_file.is_file():
        raise CheckpointError(f"{arrays_file} is missing, though {pointer_file} names it: restore it from a copy.")
    if sha256_of(arrays_file) != pointer.sha256:
        raise CheckpointError(
            f"{arrays_file} is damaged (its SHA-256 is not the one in {pointer_file}): restore it from a copy or "
            "train afresh in another folder."
        )
    try:
        arrays = read_npz(arrays_file)
    except DamagedFile as error:
        raise CheckpointError(str(error)) from error
    return pointer, arrays


def network_arrays(network: "paddle.nn.Layer") -> dict[str, np.ndarray]:
    """Parameters and buffers of a network by their names in it, under "network/"; float16 as float32, without loss."""
    arrays = {f"network/{key}": value.numpy() for key, value in network.state_dict().items()}
    return {key: array.astype(np.float32) if array.dtype == np.float16 else array for key, array in arrays.items()}


def restore_network(network: "paddle.nn.Layer", arrays: dict[str, np.ndarray], where: str) -> None:
    """Set the weights of a network to those of a checkpoint, whose names and shapes must be the network's.

    Raises:
        CheckpointError: they belong to another network, or one is NaN or infinite.
    """
    found = {key.removeprefix("network/"): value for key, value in arrays.items() if key.startswith("network/")}
    wanted = network.state_dict()
    if others := set(found) ^ set(wanted):
        key = min(others)
        side = "lacks" if key in wanted else "holds beyond the network"
        raise CheckpointError(
            f"{where} is of another network: it {side} {key}. Use the configuration it was made with."
        )
    for key, tensor in wanted.items():
        if found[key].dtype.kind not in NUMBERS:
            raise CheckpointError(f"{where} holds no numbers in {key}: restore it from a copy.")
        if list(found[key].shape) != list(tensor.shape):
            raise CheckpointError(
                f"{where} is of another network: {key} has the shape {list(found[key].shape)}, "
                f"the configuration makes it {list(tensor.shape)}."
            )
        check_finite({f"network/{key}": found[key]}, where)
        tensor.set_value(found[key].astype(tensor.numpy().dtype, copy=False))


def check_finite(arrays: dict[str, np.ndarray], where: str) -> None:
    """Refuse a checkpoint whose arrays are not all finite, with a CheckpointError that names the first."""
    if (key := first_not_finite(arrays)) is not None:
        raise CheckpointError(
            f"{where} holds numbers that are not finite ({key}): restore it from a copy, or train again in another "
            "folder with a lower lr_scheduler.learning_rate."
        )


def check_complete(arrays: dict[str, np.ndarray], step: int, where: str) -> None:
    """Refuse the checkpoint of a trained network without the optimizer's accumulators, with a CheckpointError."""
    if step > 0 and not any(key.startswith("optimizer/") for key in arrays):
        raise CheckpointError(
            f"{where} lacks the optimizer's accumulators, without which the training would take another course: "
            "restore it from a copy or train afresh in another folder."
        )


def optimizer_arrays(optimizer: "paddle.optimizer.Optimizer", network: "paddle.nn.Layer") -> dict[str, np.ndarray]:
    """The optimizer's accumulators under "optimizer/<parameter's name in the network>/<accumulator>".

    Float32 master weights of float16 weights are under "master_weights/<parameter's name in the network>/<its name>".
    Paddle's own parameter names count up with every network built in the process, so they are not used as keys.
    """
    accumulators = optimizer.state_dict()
    masters = {tensor.name: tensor for tensor in accumulators.pop(MASTERS, {}).values()}
    arrays = {}
    for name, parameter in network.named_parameters():
        prefix = f"{parameter.name}_"
        for kind, tensors in (("optimizer", accumulators), (MASTERS, masters)):
            for key, tensor in tensors.items():
                if key.startswith(prefix):  # the state of the learning rate is not among them: the scheduler has it
                    arrays[f"{kind}/{name}/{key.removeprefix(prefix)}"] = tensor.numpy()
    return arrays


def restore_optimizer(
    optimizer: "paddle.optimizer.Optimizer",
    network: "paddle.nn.Layer",
    arrays: dict[str, np.ndarray],
    where: str = "the checkpoint",
) -> None:
    """Set the accumulators of an optimizer that has not stepped yet to those of a checkpoint.

    Raises:
        CheckpointError: one is NaN or infinite.
    """
    import paddle

    check_finite(arrays, where)
    parameters = dict(network.named_parameters())
    state = {"LR_Scheduler": optimizer.state_dict()["LR_Scheduler"]}  # required by Paddle; unchanged
    masters = {}
    for key, value in arrays.items():
        kind, _, rest = key.partition("/")
        if kind in ("optimizer", MASTERS):
            name, _, own = rest.rpartition("/")
            if name not in parameters or value.dtype.kind not in NUMBERS:
                raise CheckpointError(f"{where} is of another network: it holds {key}.")
            tensor = paddle.to_tensor(value)
            tensor.name = f"{parameters[name].name}_{own}"
            if kind == MASTERS:
                masters[parameters[name].name] = tensor
            else:
                state[tensor.name] = tensor
    optimizer.set_state_dict({**state, MASTERS: masters} if masters else state)
