"""The settings of every task's configuration files, by the task's name. Importing this module loads no Paddle."""

from collections.abc import Sequence
from pathlib import Path

from lung_ssp.candidates.settings import FalsePositiveSettings
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.config import resolve
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.training.settings import TrainingSettings

TASK_SETTINGS: dict[str, type[TrainingSettings]] = {
    "classification": ClassificationSettings,
    "segmentation": SegmentationSettings,
    "false_positives": FalsePositiveSettings,
}


def training_settings(path: str | Path, overrides: Sequence[str] = ()) -> TrainingSettings:
    """The settings of a configuration file that trains a task.

    Raises:
        ConfigError: it trains no task, or is invalid.
    """
    file = resolve(path, overrides)
    return file.check(file.choose(TASK_SETTINGS)).settings
