"""One training run of either task, from a configuration file to a finished folder."""

from collections.abc import Sequence
from pathlib import Path

from lung_ssp import runtime
from lung_ssp.classification.build import build_classification
from lung_ssp.cohort.split import check_disjoint, patients_by_split
from lung_ssp.cohort.store import cohort_statement, read_cohort
from lung_ssp.config import flat, load_config
from lung_ssp.errors import ConfigError
from lung_ssp.segmentation.build import build_segmentation
from lung_ssp.training.loop import Plan
from lung_ssp.training.loop import train as train_task
from lung_ssp.training.run import CONFIG_FILE, open_run
from lung_ssp.training.task import Task


def train_run(config_path: Path, overrides: Sequence[str], output: Path, device: str, resume: bool) -> str:
    """Train, or go on training, the run in `output`.

    Returns:
        a closing sentence with the best validation score.

    Raises:
        LungSspError: the configuration, the cohort or the folder is at fault.
    """
    config = load_config(config_path, overrides)
    settings = config.settings
    if settings.task in ("preparation", "nlst"):
        raise ConfigError(f"{config_path} prepares a cohort and trains nothing: give it to tools/prepare.py.")
    cohort = Path(settings.train_dataset.dataset_root)
    prepared = read_cohort(cohort)
    if not prepared.get("leaky"):
        check_disjoint(patients_by_split(cohort))
    runtime.use_deterministic_algorithms(settings.compute.deterministic)
    facts = {
        **runtime.environment(),
        "seed": settings.seed,
        "cohort": cohort_statement(prepared),
        "cohort_fingerprint": prepared["fingerprint"],
    }
    open_run(output, config.text(), facts, cohort, resume)
    print(f"{output}: {settings.task} on {device}, {facts['cohort']}")
    task: Task
    if settings.task == "segmentation":
        task, optimizer, scheduler = build_segmentation(output / CONFIG_FILE)
        steps = settings.iters
    else:
        task, optimizer, scheduler, steps = build_classification(settings)
    shown = {**flat(config.tree), "cohort": facts["cohort"]}
    plan = Plan(steps, settings.batch_size, settings.seed, settings.checkpoint, settings.log, settings.compute, shown)
    progress = train_task(task, optimizer, scheduler, plan, output)
    return (
        f"{output}: {progress.step} steps done; best {task.score_name} {progress.best_score:.4f} "
        f"at step {progress.best_step}"
    )
