"""The one training loop, for whatever task it is handed; a killed run goes on bit for bit."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from lung_ssp.training.logs import RunLog
from lung_ssp.training.order import OrderState, SampleOrder
from lung_ssp.training.precision import Precision
from lung_ssp.training.run import BEST, CHECKPOINTS, LATEST
from lung_ssp.training.settings import CheckpointSettings, ComputeSettings, LogSettings
from lung_ssp.training.task import Task
from lung_ssp.training.worker import is_worker


@dataclass(frozen=True)
class Plan:
    """How long and how a task is trained.

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
    """What changes from step to step beside weights and order."""

    step: int = 0
    best_score: float | None = None
    best_step: int | None = None


@dataclass
class Trainer:
    """Everything one training moves; `progress` is where it stands.

    The device is never waited for within a step: the losses stay on it until something is written. Of several
    processes each has a trainer, which steps and measures together with the others (training/distributed.py).

    log: None in every process but the first, which alone writes.
    """

    task: Task
    precision: Precision
    scheduler: paddle.optimizer.lr.LRScheduler
    plan: Plan
    checkpoints: Path
    log: RunLog | None
    progress: Progress
    unchecked: list[paddle.Tensor] = field(default_factory=list)

    def step(self, drawn: StepBatch) -> None:
        """One update, and what is due after it."""
        step = self.progress.step = drawn.step
        paddle.seed(dropout_seed(self.plan.seed, step, rank()))
        losses = update(self.task, self.precision, drawn.batch)
        learning_rate = self.scheduler()
        self.scheduler.step()
        self.unchecked.append(losses["total"].detach())

        checkpoint, log, last = self.plan.checkpoint, self.plan.log, step == self.plan.steps
        if last or any(
            step % n == 0 for n in (log.scalars_every, log.every, checkpoint.validate_every, checkpoint.every)
        ):
            self.check_losses()
        self.write_log(drawn, losses, learning_rate)
        if last or step % checkpoint.validate_every == 0:
            self.validate()
        if last or step % checkpoint.every == 0:
            self.save(drawn.order)
        if last or step % checkpoint.validate_every == 0 or step % checkpoint.every == 0:
            barrier()  # for the first process may have written a checkpoint

    def check_losses(self) -> None:
        """Look at the losses since the last look.

        Raises:
            TrainingError: one is no longer a number.
        """
        losses = paddle.stack(self.unchecked).numpy().ravel()
        self.unchecked.clear()
        wrong = np.flatnonzero(~np.isfinite(losses))
        if len(wrong):
            step = self.progress.step - len(losses) + 1 + int(wrong[0])
            raise TrainingError(f"The loss is {losses[wrong[0]]} at step {step}: lower lr_scheduler.learning_rate.")

    def write_log(self, drawn: StepBatch, losses: dict[str, paddle.Tensor], learning_rate: float) -> None:
        """Write what is due at this step to the CSV file and to VisualDL."""
        step = self.progress.step
        if self.log and step % self.plan.log.scalars_every == 0:
            curves = {f"loss/{name}": float(value) for name, value in losses.items()}
            self.log.scalars(step, {**curves, **self.task.scalars(), "learning_rate": learning_rate})
        if step % self.plan.log.every == 0:
            with self.precision.autocast():
                measured = {"loss_total_value": float(losses["total"]), **self.task.log_values(drawn.batch)}
            if self.log:
                self.log.row({"global_step_value": step, "epoch": drawn.order.epoch, **measured})
                self.log.scalars(step, measured)
                self.log.histograms(step, self.task.histograms())

    def validate(self) -> None:
        """Measure on the validation samples; keep the weights if they are the best so far."""
        with self.precision.autocast():
            measured = self.task.validate()
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
        """Write all that the rest of the training depends on."""
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


def update(task: Task, precision: Precision, batch: Any) -> dict[str, paddle.Tensor]:
    """One update of a task's network by a batch; its losses, which stay on the device."""
    with precision.autocast():
        losses = task.losses(batch)
    precision.update(losses["total"])
    return losses


def progress_bar(initial: int, steps: int) -> tqdm:
    """The steps done, shown by the main process: a worker on standard output, since its standard error is a log."""
    stream = sys.stdout if is_worker() else sys.stderr
    return tqdm(desc="training", total=steps, initial=initial, unit="step", file=stream, disable=not is_main_process())


def train(
    task: Task,
    optimizer: paddle.optimizer.Optimizer,
    scheduler: paddle.optimizer.lr.LRScheduler,
    plan: Plan,
    folder: Path,
) -> Progress:
    """Train until `plan.steps`, from the folder's latest checkpoint if there is one.

    Args:
        folder: the run's folder; gets the log, VisualDL's file and checkpoints/.

    Raises:
        CheckpointError: the latest checkpoint is damaged or of another network; nothing is changed then.
        ConfigError: the device has no mixed precision.
        TrainingError: the loss is no longer a number.
    """
    order = SampleOrder(task.size, plan.batch_size, plan.seed)
    precision = Precision(plan.compute, task.network, optimizer)
    checkpoints = folder / CHECKPOINTS
    progress, positions = Progress(), None
    if (checkpoints / f"{LATEST}.json").is_file():
        step, arrays, state = load_checkpoint(checkpoints, LATEST)
        if lacking := {"order", "precision", "scheduler", "best_score", "best_step", "log_positions"} - set(state):
            raise CheckpointError(
                f"{checkpoints / LATEST}.json lacks {min(lacking)}, it is damaged or of an earlier version: restore it "
                "from a copy or train afresh in another folder."
            )
        restore_network(task.network, arrays, str(checkpoints / LATEST))
        restore_optimizer(optimizer, task.network, arrays)
        scheduler.set_state_dict(state["scheduler"])
        order.restore(state["order"])
        precision.restore(state["precision"])
        progress, positions = Progress(step, state["best_score"], state["best_step"]), state["log_positions"]
    elif (checkpoints / f"{BEST}.json").is_file():
        raise CheckpointError(
            f"{checkpoints / LATEST}.json is missing, though the run has been trained: restore it from a copy or train "
            "afresh in another folder."
        )
    if progress.step >= plan.steps:
        return progress

    barrier()  # have read the checkpoint, before the first process writes another
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
