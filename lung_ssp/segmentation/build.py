"""A segmentation task out of a PaddleSeg configuration file, by PaddleSeg's own builder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paddle
from paddleseg.cvlibs import Config, SegBuilder
from paddleseg.utils import logger

from lung_ssp.ct.settings import WorkingGridSettings
from lung_ssp.errors import CohortError, LungSspError
from lung_ssp.segmentation import dataset, losses, networks  # noqa: F401  (imported to be known to PaddleSeg)
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.segmentation.task import SegmentationTask
from lung_ssp.training.optimizer import make_optimizer
from lung_ssp.training.settings import AdamSettings

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
        return task, _optimizer(builder, settings), builder.lr_scheduler


def _optimizer(builder: SegBuilder, settings: SegmentationSettings) -> paddle.optimizer.Optimizer:
    """AdamW as PaddleSeg builds it; Adam updating many tensors at once, for which PaddleSeg has no setting."""
    if settings.optimizer.type == "AdamW":
        return builder.optimizer
    return make_optimizer(AdamSettings(), builder.model, builder.lr_scheduler, settings.optimizer.weight_decay)


def build_network(path: Path) -> paddle.nn.Layer:
    """The untrained network of a configuration file; needs no cohort."""
    with _paddleseg():
        return SegBuilder(Config(str(path))).model


def _check_slices(found: WorkingGridSettings, settings: SegmentationSettings) -> None:
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
