"""A training step in eager PyTorch: the same network and loss, from the same weights, on the same batches.

Loading this module needs PyTorch.
"""

from collections.abc import Callable

import numpy as np
import paddle
import torch
from torch.nn import functional

from lung_ssp.benchmark.steps import Subject
from lung_ssp.classification.dataset import SectionBatch
from lung_ssp.classification.monitoring import MonitoredTask
from lung_ssp.classification.settings import ClassificationSettings, TwoTaskLossSettings
from lung_ssp.cohort.classes import MISSING, TASK_NAMES
from lung_ssp.segmentation.settings import NODULE, LossSettings, SegmentationSettings
from lung_ssp.training.batches import Load, StepBatch, dropout_seed
from lung_ssp.training.task import Task
from torch_networks import copy_weights, torch_classifier, torch_unet


def host_load(task: Task) -> Load:
    """What reads a training batch as arrays; the task itself may keep its data on a GPU, for Paddle alone."""
    return task.training.batch if isinstance(task, MonitoredTask) else task.load


def training_step(subject: Subject) -> Callable[[StepBatch], torch.Tensor]:
    """One update by a batch, to its loss, which stays on the device."""
    settings, scheduler = settings_of(subject), subject.training.scheduler
    network = torch_network(subject).train()
    optimizer = torch_optimizer(subject, network)

    def step(drawn: StepBatch) -> torch.Tensor:
        torch.manual_seed(dropout_seed(settings.seed, drawn.step))
        outputs = network(on_device(drawn.batch.images))
        if isinstance(settings, SegmentationSettings):
            loss = segmentation_loss(outputs, on_device(drawn.batch.labels), settings.loss)
        else:
            loss = two_task_loss(network, outputs, drawn.batch, settings.loss)
        for group in optimizer.param_groups:
            group["lr"] = group["multiple"] * scheduler()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss.detach()

    return step


def settings_of(subject: Subject) -> ClassificationSettings | SegmentationSettings:
    """The settings of a subject of either task."""
    assert isinstance(subject.settings, ClassificationSettings | SegmentationSettings)
    return subject.settings


def torch_network(subject: Subject) -> torch.nn.Module:
    """The network of a subject, with its weights, on its device."""
    settings = settings_of(subject)
    deterministic = settings.compute.deterministic
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic, not deterministic
    if isinstance(settings, SegmentationSettings):
        network = torch_unet(settings.model)
    else:
        network = torch_classifier(settings.model)
    copy_weights(subject.training.task.network, network)
    return network.to(device())


def torch_optimizer(subject: Subject, network: torch.nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a subject's settings; the alphas' multiple of the learning rate is noted in their group."""
    settings = settings_of(subject)
    groups: dict[bool, list[torch.nn.Parameter]] = {False: [], True: []}
    for name, parameter in network.named_parameters():
        groups[name.startswith("units.")].append(parameter)
    alphas = getattr(settings.model, "alphas", None)
    return getattr(torch.optim, settings.optimizer.type)(
        [
            {"params": group, "multiple": alphas.learning_rate_multiple if of_alphas and alphas else 1.0}
            for of_alphas, group in groups.items()
            if group
        ],
        weight_decay=getattr(settings.optimizer, "weight_decay", 0.0),
    )


def two_task_loss(
    network: torch.nn.Module,
    logits: tuple[torch.Tensor, torch.Tensor],
    batch: SectionBatch,
    settings: TwoTaskLossSettings,
) -> torch.Tensor:
    """What classification/task.py minimises."""
    weights = [layer.weight for layer in network.modules() if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)]
    total = settings.l2 * 0.5 * torch.stack([(weight * weight).sum() for weight in weights]).sum()
    for name, own in zip(TASK_NAMES, logits, strict=True):
        labels = on_device(batch.labels[name])
        summed = functional.cross_entropy(own, labels, ignore_index=MISSING, reduction="sum")
        total = total + getattr(settings, name) * summed / (labels != MISSING).sum().clamp(min=1)
    return total


def segmentation_loss(logits: torch.Tensor, labels: torch.Tensor, settings: LossSettings) -> torch.Tensor:
    """What segmentation/losses.py computes, with its weight."""
    own = settings.types[0]
    counts = (labels != own.ignore_index).float()
    predicted = functional.softmax(logits, dim=1)[:, NODULE] * counts
    true = (labels == NODULE).float()
    overlap, sizes = (predicted * true).sum(), predicted.sum() + true.sum()
    dice = 1 - (2 * overlap + own.smooth) / (sizes + own.smooth)
    cross_entropy = functional.cross_entropy(logits, labels, ignore_index=own.ignore_index)
    return settings.coef[0] * (own.cross_entropy * cross_entropy + own.dice * dice)


def on_device(array: np.ndarray) -> torch.Tensor:
    """An array as a tensor where Paddle computes."""
    return torch.from_numpy(array).to(device())


def device() -> str:
    """Paddle's device in PyTorch's word."""
    return "cuda" if paddle.device.get_device().startswith("gpu") else "cpu"
