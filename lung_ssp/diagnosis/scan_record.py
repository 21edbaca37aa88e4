"""diagnosis.json: what the diagnoses of a folder are made with, so that no others come to stand beside them."""

from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue

from lung_ssp import __version__
from lung_ssp.diagnosis.scan_work import Made, Networks
from lung_ssp.errors import LungSspError
from lung_ssp.records import TableRow, read_record

RECORD = "diagnosis.json"


class Record(TableRow):
    """What of diagnosis.json must be the same when it is gone on with."""

    version: str = Field(description="of the program")
    weights: dict[str, dict[str, JsonValue]] = Field(description="by task")
    engines: dict[str, str] = Field(description="by task")
    device: str = Field(description="where Paddle computes")
    settings: dict[str, JsonValue] = Field(description="of the lungs and the candidates")
    accept: list[str] = Field(description="what is corrected in a series instead of refused")
    formats: list[str] = Field(["png"], description="in which each diagnosis is written, as far as its scan allows")
    keep_patient: bool = Field(False, description="whether DICOM objects name the patient and the study")


def record_of(made: Made, networks: Networks) -> dict[str, Any]:
    """The beginning of diagnosis.json."""
    return {
        "notice": made.notice,
        "training": made.training,
        "version": __version__,
        "weights": made.weights,
        "engines": made.engines,
        "device": networks.device,
        "accept": sorted(set(networks.accept)),
        "settings": made.settings,
        "formats": list(networks.outputs.names),
        "keep_patient": networks.outputs.keep_patient,
    }


def check_record(out: Path, record: dict[str, Any]) -> None:
    """Refuse to go on in a folder with other weights, engines or settings, or with less accepted than before.

    More may be accepted: a scan that is done had nothing else to be corrected.

    Raises:
        LungSspError: naming what differs.
    """
    if not (out / RECORD).is_file():
        return
    before = read_record(out / RECORD, Record, "name another --out")
    now = Record.model_validate(record)
    names = {"weights": "weights", "engines": "engines", "device": "device", "settings": "settings"}
    names |= {"version": "versions of the program", "formats": "formats", "keep_patient": "use of --keep-patient"}
    for key, what in names.items():
        if (old := getattr(before, key)) != (new := getattr(now, key)):
            raise LungSspError(
                f"{out} holds diagnoses made with other {what} ({_difference(old, new)}): go on with the same, or "
                "name another --out."
            )
    if missing := sorted(set(before.accept) - set(now.accept)):
        raise LungSspError(
            f"{out} holds diagnoses for which --accept {','.join(before.accept)} was given, now without "
            f"{', '.join(missing)}: go on with the same, or name another --out."
        )


def _difference(old: Any, new: Any) -> str:
    """The first value that differs, by its keys: "parenchyma.recipe: paper, now lesion_preserving"."""
    path = []
    while isinstance(old, dict) and isinstance(new, dict):
        key = min(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        path.append(key)
        old, new = old.get(key), new.get(key)
    return f"{'.'.join(path)}: {old}, now {new}" if path else f"{old}, now {new}"
