"""The network with two inputs as the training loop sees it: the pathology branch learns where there is a slide."""

import numpy as np
import paddle

from lung_ssp.classification.monitoring import MonitoredTask
from lung_ssp.classification.networks import TwoBranchNetwork
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.classification.task import two_task_losses
from lung_ssp.classification.two_inputs.dataset import SectionAndSlideBatch, SectionAndSlideDataset, slide_splits
from lung_ssp.classification.two_inputs.network import TwoInputClassifier
from lung_ssp.cohort.classes import MISSING, TASK_NAMES


class TwoInputTask(MonitoredTask):
    """Trains `TwoInputClassifier` on sections and tiles of slides (implements training.task.Task)."""

    training: SectionAndSlideDataset
    test: SectionAndSlideBatch

    def __init__(self, settings: ClassificationSettings) -> None:
        model = settings.model
        splits = [
            SectionAndSlideDataset(split, model.image_size, model.num_classes) for split in slide_splits(settings)
        ]
        network = TwoInputClassifier(model)
        network.set_slide_normalisation(splits[0].tiles.images)
        super().__init__(settings, network, splits)

    def load(self, indices: np.ndarray, rng: np.random.Generator) -> SectionAndSlideBatch:
        """This process's shard of the training sections `indices`, with their tiles.

        If only one of them has a slide, it is shown without: batch normalisation needs two samples.
        """
        batch = self.training.batch(indices, rng).shard()
        return batch.without_slides() if batch.has_slide.sum() == 1 else batch

    def losses(self, batch: SectionAndSlideBatch) -> dict[str, paddle.Tensor]:
        """Cross-entropy of each task, the L2 penalty, and their weighted sum as "total"."""
        logits = dict(zip(TASK_NAMES, self.network(*batch.inputs()), strict=True))
        logits, labels = pathology_with_slide(logits, batch.labels, batch.has_slide)
        losses = two_task_losses(logits, labels, self.network.decayed_weights(), self.loss)
        if not batch.has_slide.any():
            losses["total"] = losses["total"] + zero_loss(self.network)
        return losses


def pathology_with_slide(
    logits: dict[str, paddle.Tensor], labels: dict[str, np.ndarray], has_slide: np.ndarray
) -> tuple[dict[str, paddle.Tensor], dict[str, np.ndarray]]:
    """The same with the pathology of the samples that have a slide only; the others' logits are NaN.

    Where no sample has one, the pathology is one sample without a label, whose loss is 0.
    """
    rows = np.flatnonzero(has_slide)
    if len(rows):
        chosen, known = paddle.gather(logits["pathology"], paddle.to_tensor(rows)), labels["pathology"][rows]
    else:
        chosen, known = paddle.zeros_like(logits["pathology"][:1]), np.array([MISSING])
    return {**logits, "pathology": chosen}, {**labels, "pathology": known}


def zero_loss(network: TwoBranchNetwork) -> paddle.Tensor:
    """A loss of 0 that gives every parameter a gradient of 0: the optimizer needs a gradient of each at each step."""
    return paddle.add_n([parameter.sum() for parameter in network.parameters() if not parameter.stop_gradient]) * 0.0
