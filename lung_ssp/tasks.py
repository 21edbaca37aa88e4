"""The tasks that this package trains, by name: what runs.py and the benchmark need of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle

from lung_ssp.candidates.benchmark_cases import FalsePositiveBenchmark
from lung_ssp.candidates.build import build_candidate_network, build_false_positives, exportable_candidates
from lung_ssp.candidates.evaluate import evaluate_false_positives
from lung_ssp.candidates.metrics import FalsePositiveMetrics
from lung_ssp.classification.benchmark_cases import ClassificationBenchmark
from lung_ssp.classification.build import build_classification, build_classifier, exportable_classifier
from lung_ssp.classification.evaluate import evaluate_classifier
from lung_ssp.classification.metrics import ClassificationMetrics
from lung_ssp.classification.temperature import CALIBRATION_FILE
from lung_ssp.config import Config, ResolvedFile, resolve
from lung_ssp.segmentation.benchmark_cases import SegmentationBenchmark
from lung_ssp.segmentation.build import build_network, build_segmentation
from lung_ssp.segmentation.evaluate import evaluate_segmenter
from lung_ssp.segmentation.metrics import SegmentationMetrics
from lung_ssp.segmentation.trained import exportable_segmenter
from lung_ssp.task_settings import TASK_SETTINGS
from lung_ssp.training.evaluation import Metrics
from lung_ssp.training.onnx_export import Exportable
from lung_ssp.training.run import run_config
from lung_ssp.training.settings import TrainingSettings
from lung_ssp.training.task import BenchmarkCases, Training


@dataclass(frozen=True)
class TaskType:
    """One of the tasks.

    settings: of its configuration files.
    build: everything that is trained, from a checked configuration.
    build_network: the untrained network alone, which needs no cohort.
    evaluate: measures a run, given its folder and the evaluation's options by name, and writes what it finds there.
    metrics: what it finds.
    evaluation_options: which options its evaluation has.
    evaluation_files: what its evaluation writes beside metrics.json, metrics.txt and the pictures, and is read back.
    exportable: a run's best network, ready to be exported.
    benchmark_cases: how a benchmark feeds and uses the network of some settings.
    """

    name: str
    settings: type[TrainingSettings]
    build: Callable[[Config[Any]], Training]
    build_network: Callable[[Config[Any]], paddle.nn.Layer]
    evaluate: Callable[..., Metrics]
    metrics: type[Metrics]
    evaluation_options: tuple[str, ...]
    evaluation_files: tuple[str, ...]
    exportable: Callable[[Path], Exportable]
    benchmark_cases: Callable[[Any], BenchmarkCases]

    def check(self, file: ResolvedFile) -> Config[TrainingSettings]:
        """A configuration file of this task.

        Raises:
            ConfigError: with the file, the key, what was expected and the nearest valid name.
        """
        return file.check(self.settings)


TASKS = {
    task.name: task
    for task in (
        TaskType(
            name="classification",
            settings=TASK_SETTINGS["classification"],
            build=build_classification,
            build_network=build_classifier,
            evaluate=evaluate_classifier,
            metrics=ClassificationMetrics,
            evaluation_options=("table2",),
            evaluation_files=(CALIBRATION_FILE,),
            exportable=exportable_classifier,
            benchmark_cases=ClassificationBenchmark,
        ),
        TaskType(
            name="segmentation",
            settings=TASK_SETTINGS["segmentation"],
            build=build_segmentation,
            build_network=build_network,
            evaluate=evaluate_segmenter,
            metrics=SegmentationMetrics,
            evaluation_options=("real_nodules", "nodules", "candidates"),
            evaluation_files=(),
            exportable=exportable_segmenter,
            benchmark_cases=SegmentationBenchmark,
        ),
        TaskType(
            name="false_positives",
            settings=TASK_SETTINGS["false_positives"],
            build=build_false_positives,
            build_network=build_candidate_network,
            evaluate=evaluate_false_positives,
            metrics=FalsePositiveMetrics,
            evaluation_options=(),
            evaluation_files=(),
            exportable=exportable_candidates,
            benchmark_cases=FalsePositiveBenchmark,
        ),
    )
}


def read_training(path: str | Path, overrides: Sequence[str] = ()) -> tuple[TaskType, Config[TrainingSettings]]:
    """The task that a configuration file trains, and its settings.

    Raises:
        ConfigError: it trains no task, or is invalid.
    """
    file = resolve(path, overrides)
    task = file.choose(TASKS)
    return task, task.check(file)


def read_run(run: Path) -> tuple[TaskType, Config[TrainingSettings]]:
    """The task of a run, and its settings.

    Raises:
        CheckpointError: the folder holds no run.
        ConfigError: its configuration is invalid.
    """
    return read_training(run_config(run))
