"""A segmentation task out of a PaddleSeg configuration file, by PaddleSeg's own builder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paddle
from paddleseg.cvlibs import Config, SegBuilder
from paddleseg.utils import logger

from lung_ssp.cohort.slice_settings import SliceSettings
from lung_ssp.errors import CohortError, LungSspError
from lung_ssp.segmentation import dataset, losses, networks  # noqa: F401  (imported to be known to PaddleSeg)
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.segmentation.task import SegmentationTask
from lung_ssp.training.optimizer import make_optimizer, make_scheduler

PADDLESEG_WARNING = 1  # its log levels are 0 error, 1 warning, 2 info


def build_segmentation(
    path: Path,
) -> tuple[SegmentationTask, paddle.optimizer.Optimizer, paddle.optimizer.lr.LRScheduler]:
    """Everything that is trained, from one resolved configuration file; the weights start from its seed.

    Args:
        path: a YAML file in PaddleSeg's dialect that SegmentationSettings accepts; PaddleSeg passes over the keys it
            does not know.

    Raises:
        CohortError: the cohort's slices are missing, or were made with other settings than the file's `slices`.
    """
    with _paddleseg():
        config = Config(str(path))
        settings = SegmentationSettings.model_validate(config.dic)
        builder = SegBuilder(config)
        _check_slices(builder.train_dataset.slice_settings, settings)
        paddle.seed(settings.seed)
        task = SegmentationTask(builder.model, builder.train_dataset, builder.val_dataset, builder.loss)
        scheduler = make_scheduler(settings.lr_scheduler, settings.iters)
        return task, make_optimizer(settings.optimizer, task.network, scheduler), scheduler


def build_network(path: Path) -> paddle.nn.Layer:
    """The untrained network of a configuration file; needs no cohort."""
    with _paddleseg():
        return SegBuilder(Config(str(path))).model


def _check_slices(found: SliceSettings, settings: SegmentationSettings) -> None:
    if found != settings.slices:
        raise CohortError(
            f"The slices in {settings.train_dataset.dataset_root} were made with ({found}), the run asks for "
            f"({settings.slices}): change `slices` in its configuration or prepare the cohort into another folder."
        )


@contextmanager
def _paddleseg() -> Iterator[None]:
    """Keep PaddleSeg's builder from printing each part of the configuration, which the run's folder holds.

    What a part refuses is told as the part says it: the builder would make a RuntimeError of it.
    """
    before, logger.log_level = logger.log_level, PADDLESEG_WARNING
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__context__, LungSspError):
            raise error.__context__ from None
        raise
    finally:
        logger.log_level = before
