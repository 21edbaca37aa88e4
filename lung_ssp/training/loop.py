"""The one training loop of both tasks; a killed run goes on bit for bit."""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import paddle
from tqdm import tqdm

from lung_ssp.errors import CheckpointError, TrainingError
from lung_ssp.training.batches import StepBatch, batches, dropout_seed
from lung_ssp.training.checkpoint import (
    load_checkpoint,
    network_arrays,
    optimizer_arrays,
    restore_network,
    restore_optimizer,
    save_checkpoint,
)
from lung_ssp.training.distributed import barrier, broadcast_parameters, is_main_process, rank
from lung_ssp.training.due import due_after
from lung_ssp.training.logs import RunLog
from lung_ssp.training.order import OrderState, SampleOrder
from lung_ssp.training.precision import Precision
from lung_ssp.training.run import BEST, CHECKPOINTS, LATEST
from lung_ssp.training.settings import CheckpointSettings, ComputeSettings, LogSettings
from lung_ssp.training.task import Task
from lung_ssp.training.worker import is_worker

Scheduler: TypeAlias = paddle.optimizer.lr.LRScheduler


@dataclass(frozen=True)
class TrainingPlan:
    """How a task is trained.

    steps: of the whole training.
    batch_size: samples of a step, of all processes together.
    hyperparameters: flat settings shown in the dashboard.
    """

    steps: int
    batch_size: int
    seed: int
    checkpoint: CheckpointSettings
    log: LogSettings
    compute: ComputeSettings
    hyperparameters: dict[str, Any]


@dataclass
class Progress:
    """The steps done, and the best validation score so far with its step; None before the first validation."""

    step: int = 0
    best_score: float | None = None
    best_step: int | None = None


@dataclass
class Trainer:
    """One training: a step is an update and what is due after it.

    The losses stay on the device until something is due, so that no other step waits for the device. Each of several
    processes has a trainer; all trainers step and measure together (training/distributed.py).

    log: None in every process but the main one, which alone writes.
    unchecked: losses that have not been read yet.
    """

    task: Task
    precision: Precision
    scheduler: Scheduler
    plan: TrainingPlan
    checkpoints: Path
    log: RunLog | None
    progress: Progress
    unchecked: list[paddle.Tensor] = field(default_factory=list)

    def step(self, drawn: StepBatch) -> None:
        """One update with a batch, and what is due after it."""
        plan, step = self.plan, drawn.step
        self.progress.step = step
        paddle.seed(dropout_seed(plan.seed, step, rank()))
        losses = update(self.task, self.precision, drawn.batch)
        learning_rate = self.scheduler()
        self.scheduler.step()
        self.unchecked.append(losses["total"].detach())

        due = due_after(step, plan.steps, plan.checkpoint, plan.log)
        if due.anything:
            self.check_losses()
        validation = functools.cache(self.validate)  # the log and the choice of the best may both need it
        if due.scalars:
            self.write_scalars(losses, learning_rate)
        if due.log:
            self.write_log(drawn, losses["total"], validation)
        if due.validation:
            self.keep_best(validation())
        if due.checkpoint:
            self.save(drawn.order)
        if due.validation or due.checkpoint:
            barrier()  # the main process may have written a checkpoint

    def check_losses(self) -> None:
        """Read the losses since the last check.

        Raises:
            TrainingError: one is not finite.
        """
        losses = paddle.stack(self.unchecked).numpy().ravel()
        self.unchecked.clear()
        wrong = np.flatnonzero(~np.isfinite(losses))
        if len(wrong):
            step = self.progress.step - len(losses) + 1 + int(wrong[0])
            raise TrainingError(f"The loss is {losses[wrong[0]]} at step {step}: lower lr_scheduler.learning_rate.")

    def validate(self) -> dict[str, float]:
        """The measures on the validation samples."""
        with self.precision.autocast():
            return self.task.validate()

    def write_scalars(self, losses: dict[str, paddle.Tensor], learning_rate: float) -> None:
        """Add a point to the dashboard's curves of the losses."""
        if self.log:
            curves = {f"loss/{name}": float(value) for name, value in losses.items()}
            self.log.scalars(self.progress.step, {**curves, **self.task.scalars(), "learning_rate": learning_rate})

    def write_log(self, drawn: StepBatch, loss: paddle.Tensor, validation: Callable[[], dict[str, float]]) -> None:
        """Add a line to the log, and its measures and histograms to the dashboard."""
        with self.precision.autocast():
            measured = {"loss_total_value": float(loss), **self.task.log_values(drawn.batch, validation)}
        if self.log:
            step = self.progress.step
            self.log.row({"global_step_value": step, "epoch": drawn.order.epoch, **measured})
            self.log.scalars(step, measured)
            self.log.histograms(step, self.task.histograms())

    def keep_best(self, measured: dict[str, float]) -> None:
        """Save the weights as the best checkpoint if their validation score is the best so far."""
        if self.log:
            self.log.scalars(self.progress.step, measured)
        score = measured[self.task.score_name]
        if self.progress.best_score is not None and score <= self.progress.best_score:
            return
        self.progress.best_score, self.progress.best_step = score, self.progress.step
        if self.log:
            state = {"score_name": self.task.score_name, "score": score}
            save_checkpoint(self.checkpoints, BEST, self.progress.step, network_arrays(self.task.network), state)

    def save(self, order: OrderState) -> None:
        """Save the latest checkpoint: all that the rest of the training depends on."""
        if self.log is None:
            return
        network, optimizer = self.task.network, self.precision.optimizer
        arrays = {**network_arrays(network), **optimizer_arrays(optimizer, network)}
        state = {
            "order": order.as_json(),
            "precision": self.precision.state(),
            "scheduler": self.scheduler.state_dict(),
            "best_score": self.progress.best_score,
            "best_step": self.progress.best_step,
            "log_positions": self.log.positions(),
        }
        save_checkpoint(self.checkpoints, LATEST, self.progress.step, arrays, state)


STATE_KEYS = {"order", "precision", "scheduler", "best_score", "best_step", "log_positions"}  # as `save` writes them


def update(task: Task, precision: Precision, batch: Any) -> dict[str, paddle.Tensor]:
    """One update of a task's network with a batch; its losses, which stay on the device."""
    with precision.autocast():
        losses = task.losses(batch)
    precision.update(losses["total"])
    return losses


def restore_latest(
    checkpoints: Path, task: Task, precision: Precision, scheduler: Scheduler, order: SampleOrder
) -> tuple[Progress, dict[str, int] | None]:
    """Restore a training from its latest checkpoint, if there is one.

    Returns:
        the progress, and the lengths of the log files (RunLog's `positions`); None for a training that begins.

    Raises:
        CheckpointError: the checkpoint is damaged, incomplete, of another network, or missing from a trained run;
            the folder is unchanged then.
    """
    if not (checkpoints / f"{LATEST}.json").is_file():
        if (checkpoints / f"{BEST}.json").is_file():
            raise CheckpointError(
                f"{checkpoints / LATEST}.json is missing, though the run has been trained: restore it from a copy or "
                "train afresh in another folder."
            )
        return Progress(), None
    step, arrays, state = load_checkpoint(checkpoints, LATEST)
    if lacking := STATE_KEYS - set(state):
        raise CheckpointError(
            f"{checkpoints / LATEST}.json lacks {min(lacking)}, it is damaged or of an earlier version: restore it "
            "from a copy or train afresh in another folder."
        )
    restore_network(task.network, arrays, str(checkpoints / LATEST))
    restore_optimizer(precision.optimizer, task.network, arrays)
    scheduler.set_state_dict(state["scheduler"])
    order.restore(state["order"])
    precision.restore(state["precision"])
    return Progress(step, state["best_score"], state["best_step"]), state["log_positions"]


def progress_bar(initial: int, steps: int) -> tqdm:
    """The steps done, shown by the main process: a worker on standard output, since its standard error is a log."""
    stream = sys.stdout if is_worker() else sys.stderr
    return tqdm(desc="training", total=steps, initial=initial, unit="step", file=stream, disable=not is_main_process())


def train(
    task: Task, optimizer: paddle.optimizer.Optimizer, scheduler: Scheduler, plan: TrainingPlan, folder: Path
) -> Progress:
    """Train until `plan.steps`, from the folder's latest checkpoint if there is one.

    Args:
        folder: the run's folder; gets the log, VisualDL's file and checkpoints/.

    Raises:
        CheckpointError: the latest checkpoint is damaged or of another network; the folder is unchanged then.
        ConfigError: the device has no mixed precision, or the batch is larger than the training set.
        TrainingError: a loss is not finite.
    """
    order = SampleOrder(task.size, plan.batch_size, plan.seed)
    precision = Precision(plan.compute, task.network, optimizer)
    checkpoints = folder / CHECKPOINTS
    progress, positions = restore_latest(checkpoints, task, precision, scheduler, order)
    if progress.step >= plan.steps:
        return progress

    barrier()  # all have read the checkpoint, before the main process writes another
    broadcast_parameters(task.network)
    log = RunLog(folder, task.log_name, task.log_columns, positions) if is_main_process() else None
    trainer = Trainer(task, precision, scheduler, plan, checkpoints, log, progress)
    if log and positions is None:
        log.images(task.images())
        log.hyperparameters(plan.hyperparameters, list(task.log_columns[2:]))
        trainer.save(order.state())
    barrier()
    task.network.train()
    steps = range(progress.step + 1, plan.steps + 1)
    with (
        progress_bar(progress.step, plan.steps) as bar,
        batches(task.load, order, plan.seed, steps, plan.compute.prefetch) as coming,
    ):
        for drawn in coming:
            trainer.step(drawn)
            bar.update()
    if log:
        log.close()
    return progress
