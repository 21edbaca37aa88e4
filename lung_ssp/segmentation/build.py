"""A segmentation training out of a PaddleSeg configuration, by PaddleSeg's own builder."""

from collections.abc import Iterator
from contextlib import contextmanager

import paddle
from paddleseg.cvlibs import Config as PaddleSegConfig
from paddleseg.cvlibs import SegBuilder
from paddleseg.utils import logger

from lung_ssp.config import Config
from lung_ssp.errors import LungSspError
from lung_ssp.segmentation import dataset, losses, networks  # noqa: F401  (imported to be known to PaddleSeg)
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.segmentation.task import SegmentationTask
from lung_ssp.training.optimizer import make_optimizer, make_scheduler
from lung_ssp.training.task import Training

PADDLESEG_WARNING = 1  # its log levels are 0 error, 1 warning, 2 info


class _ResolvedConfig(PaddleSegConfig):
    """What PaddleSeg's builder reads, of a configuration that has been resolved and checked already."""

    def __init__(self, settings: SegmentationSettings) -> None:
        self.dic = settings.model_dump()  # with the defaults of what the file leaves out
        for name in ("train_dataset", "val_dataset"):
            self.dic[name]["slices"] = self.dic["slices"]  # the grid that both are asked for


def build_segmentation(config: Config[SegmentationSettings]) -> Training:
    """Everything that is trained; the weights start from the configuration's seed.

    Raises:
        CohortError: the cohort's slices are missing, or were made with other settings than the file's `slices`.
    """
    settings = config.settings
    with _paddleseg():
        builder = SegBuilder(_ResolvedConfig(config.settings))
        paddle.seed(settings.seed)
        task = SegmentationTask(builder.model, builder.train_dataset, builder.val_dataset, builder.loss)
        scheduler = make_scheduler(settings.lr_scheduler, settings.iters)
        return Training(task, make_optimizer(settings.optimizer, task.network, scheduler), scheduler, settings.iters)


def build_network(config: Config[SegmentationSettings]) -> paddle.nn.Layer:
    """The untrained network of a configuration; needs no cohort."""
    with _paddleseg():
        return SegBuilder(_ResolvedConfig(config.settings)).model


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
