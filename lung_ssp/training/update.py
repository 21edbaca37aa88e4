"""One update of a task's network, by one thread or, on a CPU, by a team of them."""

import copy
from typing import Any

import paddle

from lung_ssp.training.backward import backward
from lung_ssp.training.distributed import world_size
from lung_ssp.training.finite import check_loss
from lung_ssp.training.precision import Precision
from lung_ssp.training.settings import TrainingSettings
from lung_ssp.training.task import Task
from lung_ssp.training.team import Team, team_size


class Updater:
    """Updates the network of a task batch by batch.

    With a team the losses and gradients are those of one thread but for rounding, dropout included.
    """

    def __init__(self, task: Task, precision: Precision, settings: TrainingSettings) -> None:
        self.task, self.precision = task, precision
        size = team_size(settings)
        self._team = Team(task.network, size) if size > 1 else None

    def __call__(self, batch: Any) -> dict[str, paddle.Tensor]:
        """One update with a batch; its losses, which stay on the device.

        Raises:
            NotFinite: on a CPU, the loss or a gradient is NaN or infinite; the weights are unchanged then.
        """
        if self._team is None:
            with self.precision.autocast():
                losses = self.task.losses(batch)
            self.precision.update(losses["total"])
            return losses
        losses = self._team.run(lambda network: self._part(network, batch))
        self.precision.apply()
        return losses

    def _part(self, network: paddle.nn.Layer, batch: Any) -> dict[str, paddle.Tensor]:
        """One thread's: the losses of the whole batch, and the gradients that go through its shard."""
        task = copy.copy(self.task)
        task.network = network
        losses = task.losses(batch.shard())
        check_loss(float(losses["total"]))
        # Each thread's backward pass gives its part of the gradient of N times the loss (training/distributed.py).
        backward(losses["total"] / world_size())
        return losses
