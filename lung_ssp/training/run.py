"""The folder of a run: created, resumed or refused, never overwritten."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from lung_ssp.cohort.description import COHORT_FILE, CohortDescription, read_cohort, read_cohorts, write_cohort
from lung_ssp.config import resolve
from lung_ssp.errors import CheckpointError, cut, shown
from lung_ssp.files import read_json, write_json, write_text
from lung_ssp.folders import alone_in, leftovers, others_in, refuse_links
from lung_ssp.settings import Settings, first_problem
from lung_ssp.training.checkpoint import read_checkpoint, restore_network
from lung_ssp.training.launch import WORKER_LOGS

if TYPE_CHECKING:
    import paddle

CONFIG_FILE, ENVIRONMENT_FILE = "config.yml", "environment.json"
CHECKPOINTS, LATEST, BEST = "checkpoints", "latest", "best"
FIRST_ARRAYS = "latest-000000.npz"  # of a training that has not begun to learn
VISUALDL_FOLDER = "visualdl"
VISUALDL_FILE = "vdlrecords.run.log"  # VisualDL asks for "vdlrecords" in the name
FIGURES, EXPORT_FOLDER = "figures", "export"
FOLDERS = (CHECKPOINTS, VISUALDL_FOLDER, FIGURES, EXPORT_FOLDER, WORKER_LOGS)  # in a run's folder
APPENDED = ("table2.csv", "log.csv", f"{VISUALDL_FOLDER}/{VISUALDL_FILE}")  # files that are not replaced as a whole


@dataclass(frozen=True)
class BestCheckpoint:
    """The best weights of a run.

    step: of the training.
    score_name, score: the validation score that chose them.
    fingerprint: of the weights.
    """

    step: int
    score_name: str
    score: float
    fingerprint: str


class BestScore(Settings):
    """What a best checkpoint's state holds."""

    score_name: str = Field(description="the validation score that chose it")
    score: float = Field(description="that score")


@contextmanager
def working_in(run: Path) -> Iterator[None]:
    """Let this process alone write into the folder of a run, which is made if it is missing.

    What a killed process has left half written is removed.

    Raises:
        CheckpointError: the folder holds something that is not a run.
        LungSspError: another process works there, or a link or a file stands where the run's own would be.
    """
    refuse_foreign(run)
    with alone_in(run):
        refuse_links(run, [*FOLDERS, *APPENDED])
        for folder in (run / name for name in FOLDERS):
            if folder.exists() and not folder.is_dir():
                raise CheckpointError(f"{folder} is a file, where the run has a folder: move it away.")
            for temporary in leftovers(folder) if folder.is_dir() else ():
                temporary.unlink()
        yield


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds something else than a run, with a CheckpointError; a new one may be empty."""
    is_run = (folder / ENVIRONMENT_FILE).is_file() or has_begun(folder)  # the first file of a run
    if folder.exists() and not is_run and (not folder.is_dir() or others_in(folder) - {WORKER_LOGS}):
        raise CheckpointError(f"{folder} holds something that is not a run: name another --output.")


def has_begun(folder: Path) -> bool:
    """Whether a run has a checkpoint; a training refused or killed before its first one has none."""
    checkpoints = folder / CHECKPOINTS
    return checkpoints.is_dir() and bool(others_in(checkpoints) - {FIRST_ARRAYS})


def open_run(
    folder: Path,
    config_text: str,
    environment: dict[str, Any],
    cohort: Path,
    resume: bool,
    further: Sequence[Path] = (),
) -> None:
    """Create the folder of a run of this configuration, or resume the run in it.

    The folder holds config.yml as resolved, environment.json with one entry for each start, and the cohort's
    description and splits.

    Args:
        cohort: folder of the prepared cohort, whose splits are noted.
        further: folders of cohorts that the run learns from beside it.

    Raises:
        CheckpointError: the folder holds a run and `resume` is false, a run of another configuration or cohort, or
            other files.
    """
    config_path = folder / CONFIG_FILE
    refuse_foreign(folder)
    starts = read_starts(folder)
    begun = has_begun(folder)
    if begun:
        if not resume:
            raise CheckpointError(
                f"{folder} already holds a run: add --resume to go on with it, or name another --output."
            )
        if not config_path.is_file():
            raise CheckpointError(
                f"{folder} has lost its {CONFIG_FILE}: restore it from a copy, or name another --output."
            )
        difference = first_difference(resolve(config_path).tree, yaml.safe_load(config_text))
        if difference:
            raise CheckpointError(
                f"{folder} holds a run of another configuration ({difference}): use its {CONFIG_FILE} or name another "
                "--output."
            )
        check_cohort(folder, cohort, *further)
    write_json(folder / ENVIRONMENT_FILE, [*starts, environment])
    if not begun:
        for name in (COHORT_FILE, "splits.csv"):
            if (cohort / name).is_file():
                write_text(folder / name, (cohort / name).read_text(encoding="utf-8"))
        if further:
            write_cohort(folder, read_cohorts([cohort, *further]))
        write_text(config_path, config_text)


def read_starts(folder: Path) -> list[dict[str, JsonValue]]:
    """What environment.json notes of each start of a run; nothing where there is none yet.

    Raises:
        CheckpointError: it is damaged.
    """
    path = folder / ENVIRONMENT_FILE
    if not path.is_file():
        return []
    try:
        return TypeAdapter(list[dict[str, JsonValue]]).validate_json(path.read_bytes())
    except ValidationError as error:
        raise CheckpointError(
            f"{path} is damaged ({first_problem(error)}): restore it from a copy, or write [] into it; it only notes "
            "with what the run was computed."
        ) from error


def check_cohort(folder: Path, *cohorts: Path) -> CohortDescription:
    """Refuse a cohort other than the run's: its training samples might be test samples of the run's cohort.

    Args:
        cohorts: all that the run learned from, the first one first.

    Returns:
        the cohort's description, or that of all of them together.

    Raises:
        CheckpointError: the cohort on disk is another one, or missing.
        CohortError: its cohort.json, or the run's copy, is damaged.
    """
    for cohort in cohorts:
        if not (cohort / COHORT_FILE).is_file():
            raise CheckpointError(
                f"{folder} was trained on the cohort in {cohort}, which is not there: prepare it again."
            )
    then, now = run_cohort(folder), read_cohorts(cohorts)
    if then.fingerprint != now.fingerprint:
        places, hold = " and ".join(map(str, cohorts)), "holds" if len(cohorts) == 1 else "hold"
        raise CheckpointError(
            f"{folder} was trained on the cohort {then.fingerprint}, but {places} now {hold} {now.fingerprint}: "
            f"prepare cohort {then.fingerprint} again, or train another run."
        )
    return now


def run_cohort(folder: Path) -> CohortDescription:
    """The description of the cohort that a run was trained on, from the run's own copy.

    Raises:
        CheckpointError: the run has none.
        CohortError: it is damaged.
    """
    if not (folder / COHORT_FILE).is_file():
        raise CheckpointError(f"{folder} has no {COHORT_FILE}, which tells its cohort: train the run again.")
    return read_cohort(folder)


def first_difference(old: Any, new: Any, key: str = "") -> str:
    """The first key at which two configurations differ, with both values; empty where they are equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(set(old) | set(new)):
            below = first_difference(old.get(name), new.get(name), f"{key}.{name}" if key else str(name))
            if below:
                return below
        return ""
    return "" if old == new else f"{cut(key)} was {shown(old)} and is {shown(new)}"


def run_config(folder: Path) -> Path:
    """The configuration file of a run.

    Raises:
        CheckpointError: the folder holds no run.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise CheckpointError(f"{folder} holds no run (no {CONFIG_FILE}): train it first with lung-ssp train.")
    return path


def restore_best(folder: Path, network: "paddle.nn.Layer") -> BestCheckpoint:
    """Load the best weights of a run into a network and put it into evaluation mode.

    Raises:
        CheckpointError: the run has no best checkpoint, or it is damaged or of another network.
    """
    best, arrays = read_best(folder)
    restore_network(network, arrays, str(folder / CHECKPOINTS / BEST))
    network.eval()
    return best


def read_best(folder: Path) -> tuple[BestCheckpoint, dict[str, np.ndarray]]:
    """The best checkpoint of a run, and its arrays.

    Raises:
        CheckpointError: the run has none, or it is damaged.
    """
    checkpoints = folder / CHECKPOINTS
    pointer, arrays = read_checkpoint(checkpoints, BEST)
    try:
        score = BestScore.model_validate(pointer.state)
    except ValidationError as error:
        raise CheckpointError(
            f"{checkpoints / BEST}.json does not tell the score that chose it: restore it from a copy or train afresh "
            "in another folder."
        ) from error
    return BestCheckpoint(pointer.step, score.score_name, score.score, pointer.sha256[:16]), arrays


def best_fingerprint(folder: Path) -> str:
    """The first 16 digits of the SHA-256 of a run's best weights.

    Raises:
        CheckpointError: the run has no best checkpoint, or its pointer is damaged.
    """
    path = folder / CHECKPOINTS / f"{BEST}.json"
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist: train the run first.")
    pointer = read_json(path)
    sha256 = pointer.get("sha256") if isinstance(pointer, dict) else None
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise CheckpointError(
            f"{path} is damaged, it does not tell the weights' SHA-256: restore it from a copy or train afresh in "
            "another folder."
        )
    return sha256[:16]
