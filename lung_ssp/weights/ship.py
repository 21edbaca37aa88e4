"""A trained run reduced to what a diagnosis needs, as one of the networks that come with the package."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import yaml

from lung_ssp.classification.temperature import CALIBRATION_FILE
from lung_ssp.cohort.description import COHORT_FILE, CohortDescription, write_cohort
from lung_ssp.config import Config, resolve
from lung_ssp.errors import CheckpointError
from lung_ssp.files import read_json, sha256_of, write_atomically, write_json, write_text
from lung_ssp.task_settings import TASK_SETTINGS
from lung_ssp.training.checkpoint import read_pointer
from lung_ssp.training.evaluation import complete_evaluation
from lung_ssp.training.onnx import FACTS_FILE, exported_bytes
from lung_ssp.training.onnx_parts import PARTS_FILE, write_parts
from lung_ssp.training.order import steps_of_protocol
from lung_ssp.training.run import (
    BEST,
    CHECKPOINTS,
    CONFIG_FILE,
    EXPORT_FOLDER,
    LATEST,
    best_fingerprint,
    read_best,
    run_cohort,
    run_config,
)
from lung_ssp.weights.rounding import round_weights
from lung_ssp.weights.shipped import MANIFEST, SHIPPED, Manifest

NO_COHORT = "cohort {number} is not shipped"  # in place of a folder of the machine that trained


@dataclass(frozen=True)
class ShippedKind:
    """A kind of run that is shipped.

    steps: of a whole training, by its settings and its cohort.
    files: what a diagnosis reads of such a run beside what every run has; JSON that names the weights' fingerprint.
    """

    steps: Callable[[Any, CohortDescription], int]
    files: tuple[str, ...] = ()


# by task; a further network is one more entry
KINDS = {
    "segmentation": ShippedKind(steps=lambda settings, _: settings.iters),
    "false_positives": ShippedKind(steps=lambda settings, _: settings.iters),
    "classification": ShippedKind(
        steps=lambda settings, cohort: steps_of_protocol(
            cohort.counts.sections["train"], settings.batch_size, settings.epochs
        ),
        files=(CALIBRATION_FILE,),
    ),
}


@dataclass(frozen=True)
class ShippedNetwork:
    """A network that has been put into the package.

    folder: where it lies. files: the size of each file in bytes, by its name. statement: what it has learnt from.
    """

    task: str
    folder: Path
    files: dict[str, int]
    statement: str

    @property
    def megabytes(self) -> float:
        """Of all files together."""
        return sum(self.files.values()) / 1e6


def ship(run: str | Path, shipped: str | Path = SHIPPED) -> ShippedNetwork:
    """Put a run's network into the package, in place of the one of its task.

    Of the run: config.yml without its folders, cohort.json without what might name a patient, the best weights,
    rounded (round_weights), the export without the weights that these hold already, and what its evaluation has
    calibrated. The same run gives the same bytes.

    Args:
        run: a run that is trained to its end, evaluated and exported.
        shipped: the folder of the shipped networks.

    Raises:
        ConfigError, CheckpointError, CohortError: it is no such run; nothing is written then.
    """
    run = Path(run)
    file = resolve(run_config(run))
    kind = file.choose(KINDS)
    config: Config[Any] = file.check(TASK_SETTINGS[file.tree["task"]])
    task, cohort = config.settings.task, run_cohort(run)
    best, arrays = read_best(run)
    if (step := read_pointer(run / CHECKPOINTS, LATEST).step) < (steps := kind.steps(config.settings, cohort)):
        raise CheckpointError(
            f"{run} was trained for {step} of {steps} steps: go on with lung-ssp train --resume, then evaluate it."
        )
    check_evaluated(run, kind, best.fingerprint, cohort)
    model = exported_bytes(run)
    tree, reduced = without_folders(config.tree), without_patients(cohort)
    for text in texts_of([tree, reduced.model_dump(mode="json")]):
        if PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute():
            raise CheckpointError(f"{run} names a place on this machine, {text!r}, which is not to be shipped.")

    folder = Path(shipped) / task
    shutil.rmtree(folder, ignore_errors=True)
    write_text(folder / CONFIG_FILE, yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
    write_cohort(folder, reduced)
    arrays, model = round_weights(arrays, model)
    weights = write_weights(run, folder, arrays)
    facts = f"{EXPORT_FOLDER}/{FACTS_FILE}"
    same = {"weights_fingerprint": best_fingerprint(folder)}
    write_json(folder / facts, {**read_json(run / facts), **same, "sha256": hashlib.sha256(model).hexdigest()})
    for name in kind.files:
        write_json(folder / name, {**read_json(run / name), **same})
    write_parts(folder / EXPORT_FOLDER, model, arrays)
    names = sorted([CONFIG_FILE, COHORT_FILE, *weights, facts, *kind.files, f"{EXPORT_FOLDER}/{PARTS_FILE}"])
    files = {name: sha256_of(folder / name) for name in names}
    write_json(folder / MANIFEST, Manifest(format="lung_ssp weights 1", task=task, files=files).model_dump())
    return ShippedNetwork(
        task, folder, {name: (folder / name).stat().st_size for name in [*names, MANIFEST]}, reduced.statement
    )


def write_weights(run: Path, folder: Path, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Write weights as the best checkpoint of a run into another folder, compressed; the names of both files."""
    old = read_pointer(run / CHECKPOINTS, BEST)
    names = [f"{CHECKPOINTS}/{BEST}.json", f"{CHECKPOINTS}/{old.arrays}"]
    write_atomically(folder / names[1], lambda file: np.savez_compressed(file, **arrays))
    pointer = old.model_copy(update={"sha256": sha256_of(folder / names[1])})
    write_json(folder / names[0], pointer.model_dump())
    return names


def check_evaluated(run: Path, kind: ShippedKind, fingerprint: str, cohort: CohortDescription) -> None:
    """Refuse a run whose evaluation is missing or of other weights, or lacks a file, with a CheckpointError."""
    record = complete_evaluation(run)
    made_from = {} if record is None else record.made_from
    same = made_from.get("weights") == fingerprint and made_from.get("cohort") == cohort.fingerprint
    if record is None or not same or set(kind.files) - set(record.files):
        raise CheckpointError(f"{run} has not been evaluated as it is now: evaluate it first with lung-ssp eval {run}.")


def without_folders(tree: Any) -> Any:
    """A configuration in which a number stands for each folder of a cohort, the same one for the same folder."""
    numbers: dict[str, int] = {}

    def reduced(part: Any) -> Any:
        if isinstance(part, list):
            return [reduced(value) for value in part]
        if not isinstance(part, dict):
            return part
        root = part.get("dataset_root")
        replaced = (
            {}
            if root is None
            else {"dataset_root": NO_COHORT.format(number=numbers.setdefault(root, len(numbers) + 1))}
        )
        return {key: reduced(value) for key, value in part.items()} | replaced

    return reduced(tree)


def without_patients(cohort: CohortDescription) -> CohortDescription:
    """A cohort's description without what might name a patient or a file, and without its generator's settings."""
    nlst = cohort.nlst and cohort.nlst.model_copy(update={"candidates_found_by": None, "slides_that_failed": {}})
    leaky = cohort.leaky or bool(cohort.leaks)
    return cohort.model_copy(update={"leaky": leaky, "leaks": (), "generator": None, "nlst": nlst})


def texts_of(tree: Any) -> Iterator[str]:
    """Every text in nested lists and mappings."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list | dict):
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from texts_of(value)
