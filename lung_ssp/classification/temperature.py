"""calibration.json in a run's folder: the temperatures by which a diagnosis divides the logits. Loads no Paddle."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import Field
from scipy.special import softmax

from lung_ssp.errors import CheckpointError, DamagedFile
from lung_ssp.files import write_json
from lung_ssp.records import read_record
from lung_ssp.settings import Settings

CALIBRATION_FILE = "calibration.json"


@dataclass(frozen=True)
class Temperature:
    """One task's temperature, and how many labelled validation sections it was fitted on."""

    value: float
    sections: int


class TemperatureRecord(Settings):
    """What calibration.json says of one task."""

    value: float = Field(gt=0, allow_inf_nan=False, description="by which the task's logits are divided")
    sections: int = Field(ge=1, description="labelled validation sections that it was fitted on")


class CalibrationRecord(Settings):
    """What calibration.json says of a run."""

    weights_fingerprint: str = Field(description="of the weights that the temperatures belong to")
    temperatures: dict[str, TemperatureRecord] = Field(description="by task; one that is not here has none")


def write_temperatures(run: Path, fingerprint: str, temperatures: Mapping[str, Temperature]) -> None:
    """Write calibration.json into the folder of a run whose weights have that fingerprint."""
    by_task = {task: asdict(own) for task, own in temperatures.items()}
    write_json(run / CALIBRATION_FILE, {"weights_fingerprint": fingerprint, "temperatures": by_task})


def read_temperatures(run: Path, fingerprint: str) -> dict[str, Temperature]:
    """The temperatures of a run by task; none where it has not been evaluated.

    Args:
        fingerprint: of its best weights.

    Raises:
        CheckpointError: calibration.json is damaged or of other weights.
    """
    path = run / CALIBRATION_FILE
    if not path.is_file():
        return {}
    again = f"evaluate the run again with lung-ssp eval {run}"
    try:
        record = read_record(path, CalibrationRecord, again)
    except DamagedFile as error:
        raise CheckpointError(str(error)) from error
    if record.weights_fingerprint != fingerprint:
        raise CheckpointError(f"{path} belongs to other weights than the best checkpoint of {run}: {again}.")
    return {task: Temperature(own.value, own.sections) for task, own in record.temperatures.items()}


def calibrated(logits: np.ndarray, temperature: Temperature | None) -> np.ndarray:
    """Probabilities (n, classes) of logits (n, classes), which are divided by the temperature where there is one."""
    return softmax(logits if temperature is None else logits / temperature.value, axis=1)
