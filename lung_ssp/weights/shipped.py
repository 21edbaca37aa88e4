"""The trained networks that come with the package: where they lie, and whether they are what was put there."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lung_ssp.errors import CheckpointError, DamagedFile
from lung_ssp.files import sha256_of
from lung_ssp.paths import is_relative_path
from lung_ssp.records import read_record
from lung_ssp.settings import Settings

SHIPPED = Path(__file__).resolve().parent  # has a folder for each task
MANIFEST = "manifest.json"
OPTIONS = {"segmentation": "segmentation", "false_positives": "candidates", "classification": "classification"}


def check_path(name: str) -> str:
    """Raises a ValueError where a path leads out of its folder."""
    if not is_relative_path(name):
        raise ValueError("is no path inside the folder")
    return name


class Manifest(Settings):
    """What manifest.json says of a shipped network."""

    format: Literal["lung_ssp weights 1"] = Field(description="the kind of file and its version")
    task: str = Field(description="of the run")
    files: dict[Annotated[str, AfterValidator(check_path)], Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field(
        min_length=1, description="the SHA-256 of every file beside it"
    )


def run_folder(task: str, chosen: str | Path | None) -> Path:
    """The folder of the run that the user has chosen for a task, else of the shipped one, which is not checked here."""
    return SHIPPED / task if chosen is None else Path(chosen)


def diagnosis_runs(
    segmentation: str | Path | None = None,
    classification: str | Path | None = None,
    candidates: str | Path | None = None,
) -> dict[str, Path]:
    """By step of a diagnosis the folder of its run: the one that was chosen, else the shipped one.

    The shipped second stage has learned from the candidates of the shipped segmentation network: behind another one
    there is none, unless it is chosen.
    """
    runs = {
        "segmentation": run_folder("segmentation", segmentation),
        "classification": run_folder("classification", classification),
    }
    if segmentation is None or candidates is not None:
        runs["candidates"] = run_folder("false_positives", candidates)
    return runs


def is_shipped(run: Path) -> bool:
    """Whether a run is one of those that come with the package."""
    return Path(run).resolve().parent == SHIPPED


def check_shipped(run: Path) -> None:
    """Compare every file of a shipped run with its hash in the manifest.

    Raises:
        CheckpointError: a file has changed or is missing.
    """
    if problem := _problem(run):
        raise CheckpointError(
            f"{problem}, the trained {run.name} network of the package is damaged: install lung-ssp again, or name a "
            f"run of your own with --{OPTIONS[run.name]} RUN."
        )


def _problem(run: Path) -> str:
    """What is wrong with a shipped run, as the beginning of a sentence; empty where nothing is."""
    path = run / MANIFEST
    if not path.is_file():
        return f"{path} is missing"
    try:
        manifest = read_record(path, Manifest)
    except DamagedFile:
        return f"{path} is damaged"
    for name, sha256 in manifest.files.items():
        if not (run / name).is_file():
            return f"{run / name} is missing"
        if sha256_of(run / name) != sha256:
            return f"{run / name} has changed"
    return ""
