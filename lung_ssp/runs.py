"""Training, evaluating and exporting a run of any task: a configuration in, a run's folder and its figures out."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue
from tqdm import tqdm

from lung_ssp import __version__, runtime
from lung_ssp.classification.metrics import ClassificationMetrics
from lung_ssp.classification.pooled import PooledMetrics, pool_folds, write_pooled
from lung_ssp.cohort.description import read_cohort, read_cohorts
from lung_ssp.cohort.split import check_disjoint, patients_by_split
from lung_ssp.cohort.unchanged import check_unchanged
from lung_ssp.config import flatten
from lung_ssp.errors import ConfigError
from lung_ssp.files import sha256_of
from lung_ssp.segmentation.metrics import SegmentationMetrics
from lung_ssp.segmentation.nodule_metrics import NoduleMetrics, join_nodules
from lung_ssp.segmentation.nodule_report import check_table_folder, write_joined
from lung_ssp.tasks import read_run, read_training
from lung_ssp.training import distributed
from lung_ssp.training.batch_norm import synchronise_batch_norm
from lung_ssp.training.evaluation import Evaluation, forget_evaluation, record_evaluation, recorded_metrics
from lung_ssp.training.launch import check_shared
from lung_ssp.training.loop import train as train_task
from lung_ssp.training.onnx_export import OnnxFile, write_onnx
from lung_ssp.training.run import best_fingerprint, check_cohort, open_run, run_config, working_in
from lung_ssp.training.settings import TrainingSettings
from lung_ssp.visible import visible

EVALUATION_FORMAT = 7  # to be raised whenever metrics.json is written in another form


@dataclass(frozen=True)
class TrainedRun:
    """A run that has been trained.

    run: its folder.
    score_name: the validation score that chose the best checkpoint, of the step `best_step`.
    """

    run: Path
    task: str
    steps: int
    score_name: str
    best_score: float
    best_step: int


def train(
    config: str | Path,
    output: str | Path,
    overrides: Sequence[str] = (),
    device: runtime.Device = "cpu",
    resume: bool = False,
) -> TrainedRun:
    """Train the network that a configuration describes, or go on with its training.

    Started by training.launch, this process is one of several workers (training/distributed.py).

    Args:
        config: a YAML file, or the path of a shipped one, such as "classification/table2.yml".
        output: the run's folder.
        overrides: of settings, "key.sub=value" each.
        device: "cpu" or "gpu".
        resume: go on with the run in the folder, if there is one.

    Raises:
        LungSspError: the configuration or the cohort is invalid, the folder cannot be used, or the loss is no longer a
            number.
    """
    output = Path(output)
    runtime.choose_device(device)
    task_type, checked = read_training(config, overrides)
    settings = checked.settings
    cohort = read_cohorts(settings.cohorts)
    runtime.use_deterministic_algorithms(settings.compute.deterministic)
    distributed.init_process_group()
    check_processes(settings)
    statement = cohort.statement
    is_main = distributed.is_main_process()
    if is_main:  # the others wait for it below
        for root in settings.cohorts:
            check_unchanged(root)
        if not cohort.leaky:
            check_disjoint(patients_by_split(*settings.cohorts))
    with working_in(output) if is_main else nullcontext():
        if is_main:
            facts = start_facts(settings, statement, cohort.fingerprint)
            open_run(output, checked.text(), facts, settings.cohort, resume, further=settings.cohorts[1:])
            tqdm.write(visible(f"{output}: {settings.task} on {device}, {statement}"))
        distributed.barrier()
        training = task_type.build(checked)
        if distributed.world_size() > 1:
            synchronise_batch_norm(training.task.network)
        progress = train_task(training, settings, {**flatten(checked.tree), "cohort": statement}, output)
    assert progress.best_score is not None and progress.best_step is not None  # the last step is always validated
    return TrainedRun(
        output, settings.task, progress.step, training.task.score_name, progress.best_score, progress.best_step
    )


def start_facts(settings: TrainingSettings, statement: str, fingerprint: str) -> dict[str, object]:
    """What environment.json notes of one start of a training."""
    return {
        **runtime.environment(),
        "processes": distributed.world_size(),
        "seed": settings.seed,
        "cohort": statement,
        "cohort_fingerprint": fingerprint,
    }


def check_processes(settings: TrainingSettings) -> None:
    """Refuse, with a ConfigError, a training that the processes that were started cannot share."""
    check_shared(settings, distributed.world_size())


def evaluate(
    run: str | Path,
    table2: bool = False,
    real_nodules: str | Path | None = None,
    device: runtime.Device = "cpu",
    nodules: str | Path | None = None,
    candidates: str | Path | None = None,
) -> Evaluation:
    """Measure a run on its test samples; writes metrics.json, metrics.txt and figures/ into its folder.

    What has been measured already, with the same weights, cohort and options, is not measured again, but read.

    Example:
        evaluation = evaluate("output/reproduce/classification")
        print(evaluation.metrics.comparisons["image_against_reader"].accuracy)
        print(evaluation.text())

    Args:
        run: the run's folder.
        table2: set the log of a classification run beside the paper's Table 2.
        real_nodules: folder with real nodules for a segmentation run, None for none.
        device: "cpu" or "gpu".
        nodules: folder of a prepared cohort of nodules to measure a segmentation run on; None for that of the run.
        candidates: folder of a run of the false-positive reduction, to measure test scans with it as well; or None.

    Raises:
        LungSspError: the folder holds no trained run, its cohort or the device is missing, the option is another
            task's, or what was written earlier is damaged.
    """
    run = Path(run)
    task_type, config = read_run(run)
    options = {
        "table2": table2,
        "real_nodules": Path(real_nodules) if real_nodules else None,
        "nodules": Path(nodules) if nodules else None,
        "candidates": Path(candidates) if candidates else None,
    }
    if wrong := [name for name, value in options.items() if value and name not in task_type.evaluation_options]:
        raise ConfigError(f"{wrong[0]} is no option of the evaluation of a {task_type.name} run: leave it out.")
    runtime.choose_device(device)
    cohort = check_cohort(run, *config.settings.cohorts)
    for root in (*config.settings.cohorts, *([Path(nodules)] if nodules else [])):
        check_unchanged(root)
    made_from: dict[str, JsonValue] = {
        "version": __version__,
        "format": EVALUATION_FORMAT,
        "weights": best_fingerprint(run),
        "cohort": cohort.fingerprint,
        "table2": table2,
        "real_nodules": _files_of_real_nodules(Path(real_nodules)) if real_nodules else None,
        "nodules": read_cohort(Path(nodules)).fingerprint if nodules else None,
        "candidates": _judge_of(Path(candidates)) if candidates else None,
    }
    if (metrics := recorded_metrics(run, made_from, task_type.metrics)) is not None:
        return Evaluation(run, metrics)
    with working_in(run):
        forget_evaluation(run)
        metrics = task_type.evaluate(run, **{name: options[name] for name in task_type.evaluation_options})
        record_evaluation(run, made_from, task_type.evaluation_files)
    return Evaluation(run, metrics)


def _files_of_real_nodules(folder: Path) -> dict[str, JsonValue]:
    """The SHA-256 of the files of real nodules that a folder holds, by name."""
    from lung_ssp.segmentation.patch_file import PATCH_FILE
    from lung_ssp.segmentation.real_nodules import REAL_NODULES_FILE, TABLE

    files = [folder / name for name in (REAL_NODULES_FILE, TABLE, PATCH_FILE)]
    return {file.name: sha256_of(file) for file in files if file.is_file()}


def _judge_of(run: Path) -> str:
    """What a run of the false-positive reduction judges by: its weights and its configuration."""
    return f"{best_fingerprint(run)} {sha256_of(run_config(run))}"


def join(
    runs: Sequence[str | Path],
    output: str | Path | None = None,
    device: runtime.Device = "cpu",
    nodules: str | Path | None = None,
) -> NoduleMetrics:
    """Measure segmentation runs, one a fold, and put their nodules into one table; what is measured is only read.

    Args:
        runs: the runs' folders.
        output: folder for nodules.csv, metrics.json and metrics.txt, empty or with an older such table; None for none.
        device: "cpu" or "gpu".
        nodules: as in `evaluate`.

    Raises:
        LungSspError: as `evaluate` does; a run has no nodules, two have the same one or differ in their settings, or
            the folder holds other files.
    """
    if output is not None:
        check_table_folder(Path(output))
    check_one_recipe([Path(run) for run in runs])
    measured = []
    for run in runs:
        metrics = evaluate(run, device=device, nodules=nodules).metrics
        if not isinstance(metrics, SegmentationMetrics) or metrics.nodules is None:
            raise ConfigError(
                f"{run} has not been measured on nodules: join segmentation runs that learned from a cohort of "
                "nodules, or name one with --nodules FOLDER."
            )
        measured.append(metrics.nodules)
    joined = join_nodules(measured)
    if output is not None:
        write_joined(Path(output), joined)
    return joined


def pool(runs: Sequence[str | Path], output: str | Path | None = None, device: runtime.Device = "cpu") -> PooledMetrics:
    """Measure classification runs, one a fold of a cohort of nodules, and put their folds together.

    Args:
        runs: the runs' folders.
        output: folder for metrics.json and metrics.txt, empty or with older ones; None for none.
        device: "cpu" or "gpu".

    Raises:
        LungSspError: as `evaluate` does; a run has no test nodules, two have the same patient or differ in their
            settings, or the folder holds other files.
    """
    if output is not None:
        check_table_folder(Path(output))
    check_one_recipe([Path(run) for run in runs])
    measured = []
    for run in runs:
        metrics = evaluate(run, device=device).metrics
        if not isinstance(metrics, ClassificationMetrics) or not metrics.binary:
            raise ConfigError(
                f"{run} has not been measured on patients' nodules: join classification runs, each with a test fold of "
                "a cohort of nodules."
            )
        measured.append(metrics)
    pooled = pool_folds(measured)
    if output is not None:
        write_pooled(Path(output), pooled)
    return pooled


def check_one_recipe(runs: Sequence[Path]) -> None:
    """Refuse, with a ConfigError, runs whose settings differ in more than the folders of their cohorts."""
    first, *others = [_recipe(read_run(run)[1].settings) for run in runs]
    for run, other in zip(runs[1:], others, strict=True):
        if differing := sorted(key for key in first.keys() | other.keys() if first.get(key) != other.get(key)):
            raise ConfigError(
                f"{run} and {runs[0]} differ in {', '.join(differing)}: join runs of one configuration, each on the "
                "folds of one cohort."
            )


def _recipe(settings: TrainingSettings) -> dict[str, float | str]:
    tree = settings.model_dump(mode="json")
    for part in {"train_dataset", "val_dataset", "test_dataset"} & tree.keys():
        tree[part]["dataset_root"] = ""
    for number, further in enumerate(tree["train_dataset"].pop("also", [])):
        tree["train_dataset"][f"also {number + 1}"] = {**further, "dataset_root": ""}
    return flatten(tree)


def export(run: str | Path) -> OnnxFile:
    """Write a run's best network as ONNX into its folder, from where a diagnosis runs it on a CPU.

    Any number of images may be given to the exported network, and to a U-Net images of any height and width that four
    halvings divide. It gives logits, as Paddle's network does; nothing is written unless they are equal.

    Raises:
        CheckpointError: the folder holds no trained run, one of a network that cannot be exported, or the exported
            network computes something else.
        EnvironmentProblem: paddle2onnx or ONNX Runtime is missing.
    """
    run = Path(run)
    task_type, _ = read_run(run)
    with working_in(run):
        return write_onnx(run, task_type.exportable(run))
