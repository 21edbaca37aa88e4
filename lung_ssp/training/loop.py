"""The one training loop of both tasks; a killed run goes on bit for bit."""

import functools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from tqdm import tqdm

from lung_ssp.errors import CheckpointError
from lung_ssp.training.batches import StepBatch, batches, dropout_seed
from lung_ssp.training.checkpoint import (
    check_complete,
    load_checkpoint,
    network_arrays,
    optimizer_arrays,
    remove_older,
    restore_network,
    restore_optimizer,
    save_checkpoint,
)
from lung_ssp.training.distributed import barrier, broadcast_parameters, is_main_process, rank
from lung_ssp.training.finite import NotFinite
from lung_ssp.training.launch import is_worker
from lung_ssp.training.logs import RunLog
from lung_ssp.training.order import OrderState, SampleOrder
from lung_ssp.training.precision import Precision
from lung_ssp.training.run import BEST, CHECKPOINTS, LATEST, has_begun
from lung_ssp.training.settings import TrainingSettings
from lung_ssp.training.state import read_state
from lung_ssp.training.task import Training
from lung_ssp.training.update import Updater


@dataclass
class Progress:
    """The steps done, and the best validation score so far with its step; None before the first validation."""

    step: int = 0
    best_score: float | None = None
    best_step: int | None = None


class Trainer:
    """One training: a step is an update and what is due after it.

    The losses stay on the device until something is due, so that no other step waits for the device. Each of several
    processes has a trainer; all trainers step and measure together (training/distributed.py).
    """

    def __init__(self, training: Training, settings: TrainingSettings, folder: Path) -> None:
        self.training, self.task, self.settings = training, training.task, settings
        self.checkpoints = folder / CHECKPOINTS
        self.order = SampleOrder(self.task.size, settings.batch_size, settings.seed)
        self.precision = Precision(settings.compute, self.task.network, training.optimizer)
        self.update = Updater(self.task, self.precision, settings)
        self.progress = Progress()
        self.log: RunLog | None = None  # in every process but the main one, which alone writes
        self.pending_losses: list[paddle.Tensor] = []  # losses that have not been read yet

    def step(self, step_batch: StepBatch) -> None:
        """One update with a batch, and what is due after it; the last one is always validated and saved.

        Raises:
            TrainingError: the loss, a gradient, a weight or a measure is not finite; nothing is written then.
        """
        try:
            self._step(step_batch)
        except NotFinite as error:
            raise error.at_step(self.progress.step) from error

    def _step(self, step_batch: StepBatch) -> None:
        checkpoint, log, step = self.settings.checkpoint, self.settings.log, step_batch.step
        self.progress.step = step
        paddle.seed(dropout_seed(self.settings.seed, step, rank()))
        losses = self.update(step_batch.batch)
        learning_rate = self.training.scheduler()
        self.training.scheduler.step()
        self.pending_losses.append(losses["total"].detach())

        last = step == self.training.steps
        scalars_due, row_due = step % log.scalars_every == 0, step % log.every == 0
        validation_due = last or step % checkpoint.validate_every == 0
        checkpoint_due = last or step % checkpoint.every == 0
        if scalars_due or row_due or validation_due or checkpoint_due:
            self.check_losses()
        validation = functools.cache(self.validate)  # the log and the choice of the best may both need it
        if scalars_due and self.log:
            curves = {f"loss/{name}": float(value) for name, value in losses.items()}
            self.log.scalars(step, {**curves, **self.task.scalars(), "learning_rate": learning_rate})
        if row_due:
            self.write_log(step_batch, losses["total"], validation)
        if validation_due:
            self.save_if_best(validation())
        if checkpoint_due:
            self.save(step_batch.order)
        if validation_due or checkpoint_due:
            barrier()  # the main process may have written a checkpoint

    def check_losses(self) -> None:
        """Read the losses since the last check.

        Raises:
            TrainingError: one is not finite.
        """
        losses = paddle.stack(self.pending_losses).numpy().ravel()
        self.pending_losses.clear()
        wrong = np.flatnonzero(~np.isfinite(losses))
        if len(wrong):
            step = self.progress.step - len(losses) + 1 + int(wrong[0])
            raise NotFinite(f"The loss is {losses[wrong[0]]}").at_step(step)

    def validate(self) -> dict[str, float]:
        """The measures on the validation samples.

        Raises:
            NotFinite: one is NaN or infinite: the best checkpoint cannot be chosen by it.
        """
        with self.precision.autocast():
            measured = self.task.validate()
        for name, value in measured.items():
            if not math.isfinite(value):
                raise NotFinite(f"The validation's {name} is {value}")
        return measured

    def write_log(self, step_batch: StepBatch, loss: paddle.Tensor, validation: Callable[[], dict[str, float]]) -> None:
        """Add a line to the log, and its measures and histograms to the dashboard."""
        with self.precision.autocast():
            measured = {"loss_total_value": float(loss), **self.task.log_values(step_batch.batch, validation)}
        if self.log:
            step = self.progress.step
            self.log.row({"global_step_value": step, "epoch": step_batch.order.epoch, **measured})
            self.log.scalars(step, measured)
            self.log.histograms(step, self.task.histograms())

    def save_if_best(self, measured: dict[str, float]) -> None:
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
            "scheduler": self.training.scheduler.state_dict(),
            "best_score": self.progress.best_score,
            "best_step": self.progress.best_step,
            "log_positions": self.log.positions(),
        }
        save_checkpoint(self.checkpoints, LATEST, self.progress.step, arrays, state)

    def restore(self) -> dict[str, int] | None:
        """Return to the latest checkpoint, if there is one.

        Returns:
            the lengths of the log files (RunLog's `positions`); None for a training that begins.

        Raises:
            CheckpointError: the checkpoint is damaged, incomplete, of another network, or missing from a trained run;
                the folder is unchanged then.
        """
        latest = self.checkpoints / LATEST
        if not latest.with_suffix(".json").is_file():
            if has_begun(self.checkpoints.parent):
                raise CheckpointError(
                    f"{latest}.json is missing, though the run has been trained: restore it from a copy or train "
                    "afresh in another folder."
                )
            return None
        step, arrays, raw = load_checkpoint(self.checkpoints, LATEST)
        state = read_state(str(latest), step, raw, self.training)
        check_complete(arrays, step, str(latest))
        restore_network(self.task.network, arrays, str(latest))
        restore_optimizer(self.training.optimizer, self.task.network, arrays, str(latest))
        self.training.scheduler.set_state_dict(state.scheduler)
        try:
            self.order.restore(state.order.model_dump())
            self.precision.restore(state.precision)
        except (ValueError, TypeError, KeyError, OverflowError) as error:  # NumPy's and Paddle's
            raise CheckpointError(
                f"{latest}.json is damaged (state.order or state.precision cannot be restored): restore it from a copy "
                "or train afresh in another folder."
            ) from error
        self.progress = Progress(step, state.best_score, state.best_step)
        if is_main_process():  # a process killed just after it has written a checkpoint leaves the one before
            remove_older(self.checkpoints, LATEST, step)
        return state.log_positions


def train(training: Training, settings: TrainingSettings, hyperparameters: dict[str, Any], folder: Path) -> Progress:
    """Train to the last step, from the folder's latest checkpoint if there is one.

    Args:
        hyperparameters: flat settings shown in the dashboard.
        folder: the run's folder; gets the log, VisualDL's file and checkpoints/.

    Raises:
        CheckpointError: the latest checkpoint is damaged or of another network; the folder is unchanged then.
        ConfigError: the device has no mixed precision, or the batch is larger than the training set.
        TrainingError: a loss, a gradient, a weight or a validation is not finite.
    """
    trainer, task = Trainer(training, settings, folder), training.task
    positions = trainer.restore()
    progress = trainer.progress
    if progress.step >= training.steps:
        return progress

    barrier()  # all have read the checkpoint, before the main process writes another
    broadcast_parameters(task.network)
    if is_main_process():
        trainer.log = RunLog(folder, task.log_name, task.log_columns, positions)
        if positions is None:
            trainer.log.images(task.images())
            trainer.log.hyperparameters(hyperparameters, list(task.log_columns[2:]))
            trainer.save(trainer.order.state())
    barrier()
    task.network.train()
    stream = sys.stdout if is_worker() else sys.stderr  # the standard error of a worker is a log
    bar = tqdm(
        desc="training", total=training.steps, initial=progress.step, unit="step", file=stream, disable=not trainer.log
    )
    steps = range(progress.step + 1, training.steps + 1)
    with bar, batches(task.load, trainer.order, settings.seed, steps, settings.compute.prefetch) as step_batches:
        for step_batch in step_batches:
            trainer.step(step_batch)
            bar.update()
    return progress
