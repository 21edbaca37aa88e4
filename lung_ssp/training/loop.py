"""The one training loop, for whatever task it is handed; a killed run goes on bit for bit."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from tqdm import tqdm

from lung_ssp.errors import CheckpointError, TrainingError
from lung_ssp.training.checkpoint import (
    load_checkpoint,
    network_arrays,
    optimizer_arrays,
    restore_network,
    restore_optimizer,
    save_checkpoint,
)
from lung_ssp.training.logs import RunLog
from lung_ssp.training.order import SampleOrder
from lung_ssp.training.run import BEST, CHECKPOINTS, LATEST
from lung_ssp.training.settings import CheckpointSettings, LogSettings
from lung_ssp.training.task import Task


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
    hyperparameters: dict[str, Any]


@dataclass
class Progress:
    """What changes from step to step beside weights and order."""

    step: int = 0
    best_score: float | None = None
    best_step: int | None = None


@dataclass
class Trainer:
    """Everything one training moves; `progress` is where it stands."""

    task: Task
    optimizer: paddle.optimizer.Optimizer
    scheduler: paddle.optimizer.lr.LRScheduler
    order: SampleOrder
    plan: Plan
    checkpoints: Path
    log: RunLog
    progress: Progress

    def step(self) -> None:
        """One update, with all randomness drawn from (seed, step), so that no generator's state needs saving.

        Raises:
            TrainingError: the loss is no longer a number.
        """
        step = self.progress.step + 1
        seeds = np.random.SeedSequence([self.plan.seed, step])
        paddle.seed(int(seeds.generate_state(1)[0]))
        batch = self.task.load(self.order.next_batch(), np.random.default_rng(seeds))
        losses = self.task.losses(batch)
        losses["total"].backward()
        self.optimizer.step()
        self.optimizer.clear_grad()
        learning_rate = self.scheduler()
        self.scheduler.step()
        self.progress.step = step

        if not math.isfinite(total := float(losses["total"])):
            raise TrainingError(f"The loss is {total} at step {step}: lower lr_scheduler.learning_rate.")
        last = step == self.plan.steps
        self.write_log(batch, losses, learning_rate)
        if last or step % self.plan.checkpoint.validate_every == 0:
            self.validate()
        if last or step % self.plan.checkpoint.every == 0:
            self.save()

    def write_log(self, batch: Any, losses: dict[str, paddle.Tensor], learning_rate: float) -> None:
        """Write what is due at this step to the CSV file and to VisualDL."""
        step = self.progress.step
        if step % self.plan.log.scalars_every == 0:
            curves = {f"loss/{name}": float(value) for name, value in losses.items()}
            self.log.scalars(step, {**curves, **self.task.scalars(), "learning_rate": learning_rate})
        if step % self.plan.log.every == 0:
            measured = {"loss_total_value": float(losses["total"]), **self.task.log_values(batch)}
            self.log.row({"global_step_value": step, "epoch": self.order.epoch, **measured})
            self.log.scalars(step, measured)
            self.log.histograms(step, self.task.histograms())

    def validate(self) -> None:
        """Measure on the validation samples; keep the weights if they are the best so far."""
        measured = self.task.validate()
        self.log.scalars(self.progress.step, measured)
        score = measured[self.task.score_name]
        if self.progress.best_score is None or score > self.progress.best_score:
            self.progress.best_score, self.progress.best_step = score, self.progress.step
            state = {"score_name": self.task.score_name, "score": score}
            save_checkpoint(self.checkpoints, BEST, self.progress.step, network_arrays(self.task.network), state)

    def save(self) -> None:
        """Write all that the rest of the training depends on."""
        arrays = {**network_arrays(self.task.network), **optimizer_arrays(self.optimizer, self.task.network)}
        state = {
            "order": self.order.state(),
            "scheduler": self.scheduler.state_dict(),
            "best_score": self.progress.best_score,
            "best_step": self.progress.best_step,
            "log_positions": self.log.positions(),
        }
        save_checkpoint(self.checkpoints, LATEST, self.progress.step, arrays, state)


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
        TrainingError: the loss is no longer a number.
    """
    order = SampleOrder(task.size, plan.batch_size, plan.seed)
    checkpoints = folder / CHECKPOINTS
    progress, positions = Progress(), None
    if (checkpoints / f"{LATEST}.json").is_file():
        step, arrays, state = load_checkpoint(checkpoints, LATEST)
        if lacking := {"order", "scheduler", "best_score", "best_step", "log_positions"} - set(state):
            raise CheckpointError(f"{checkpoints / LATEST}.json lacks {min(lacking)}: restore it from a copy.")
        restore_network(task.network, arrays, str(checkpoints / LATEST))
        restore_optimizer(optimizer, task.network, arrays)
        scheduler.set_state_dict(state["scheduler"])
        order.restore(state["order"])
        progress, positions = Progress(step, state["best_score"], state["best_step"]), state["log_positions"]
    elif (checkpoints / f"{BEST}.json").is_file():
        raise CheckpointError(
            f"{checkpoints / LATEST}.json is missing, though the run has been trained: restore it from a copy or train "
            "afresh in another folder."
        )
    if progress.step >= plan.steps:
        return progress

    log = RunLog(folder, task.log_name, task.log_columns, positions)
    trainer = Trainer(task, optimizer, scheduler, order, plan, checkpoints, log, progress)
    if positions is None:
        log.images(task.images())
        log.hyperparameters(plan.hyperparameters, list(task.log_columns[2:]))
        trainer.save()
    task.network.train()
    with tqdm(desc="training", total=plan.steps, initial=progress.step, unit="step") as bar:
        while progress.step < plan.steps:
            trainer.step()
            bar.update()
    log.close()
    return progress
