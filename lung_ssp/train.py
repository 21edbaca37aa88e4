"""One training run of either task, from a configuration file to a finished folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lung_ssp import runtime
from lung_ssp.classification.build import build_classification
from lung_ssp.cohort.split import check_disjoint, patients_by_split
from lung_ssp.cohort.store import cohort_statement, read_cohort
from lung_ssp.config import flat, load_training
from lung_ssp.errors import ConfigError
from lung_ssp.segmentation.build import build_segmentation
from lung_ssp.training import distributed
from lung_ssp.training.batch_norm import synchronise_batch_norm
from lung_ssp.training.loop import TrainingPlan
from lung_ssp.training.loop import train as train_task
from lung_ssp.training.run import CONFIG_FILE, open_run
from lung_ssp.training.task import Task


def train_run(config_path: Path, overrides: Sequence[str], output: Path, device: str, resume: bool) -> str:
    """Train the run in `output`, or go on with it; together with the other workers, if `launch` started this process.

    Returns:
        a closing sentence with the best validation score.

    Raises:
        LungSspError: the configuration, the cohort or the folder is at fault.
    """
    config = load_training(config_path, overrides)
    settings = config.settings
    cohort = Path(settings.train_dataset.dataset_root)
    prepared = read_cohort(cohort)
    if not prepared.get("leaky"):
        check_disjoint(patients_by_split(cohort))
    runtime.use_deterministic_algorithms(settings.compute.deterministic)
    distributed.init_process_group()
    check_sharing(settings)
    statement = cohort_statement(prepared)
    if distributed.is_main_process():
        facts = {
            **runtime.environment(),
            "processes": distributed.world_size(),
            "seed": settings.seed,
            "cohort": statement,
            "cohort_fingerprint": prepared["fingerprint"],
        }
        open_run(output, config.text(), facts, cohort, resume)
    distributed.barrier()
    print(f"{output}: {settings.task} on {device}, {statement}")
    task: Task
    if settings.task == "segmentation":
        task, optimizer, scheduler = build_segmentation(output / CONFIG_FILE)
        steps = settings.iters
    else:
        task, optimizer, scheduler, steps = build_classification(settings)
    synchronise_batch_norm(task.network)
    shown = {**flat(config.tree), "cohort": statement}
    plan = TrainingPlan(
        steps, settings.batch_size, settings.seed, settings.checkpoint, settings.log, settings.compute, shown
    )
    progress = train_task(task, optimizer, scheduler, plan, output)
    return (
        f"{output}: {progress.step} steps done; best {task.score_name} {progress.best_score:.4f} "
        f"at step {progress.best_step}"
    )


def check_sharing(settings: Any) -> None:
    """Refuse a training that the processes cannot share.

    Raises:
        ConfigError: the batch cannot be divided evenly, or the network has two inputs.
    """
    processes = distributed.world_size()
    if settings.batch_size % processes:
        raise ConfigError(
            f"batch_size is {settings.batch_size}, which {processes} processes cannot share evenly: make it a multiple "
            f"of {processes}, or change --processes."
        )
    if processes > 1 and settings.task == "classification" and settings.model.two_inputs:
        raise ConfigError(
            "model.two_inputs is true, but a process whose share of a batch holds no slide would keep the others "
            "waiting in the normalisation of the pathology branch: leave out --processes."
        )
