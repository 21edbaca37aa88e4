"""What the latest checkpoint of a training holds beside its arrays, and whether a training can go on from it."""

import math
from typing import Annotated, Any

import numpy as np
from pydantic import Field, JsonValue, ValidationError

from lung_ssp.errors import CheckpointError
from lung_ssp.settings import Settings, first_problem
from lung_ssp.training.run import VISUALDL_FILE
from lung_ssp.training.task import Training

Natural = Annotated[int, Field(ge=0, lt=2**62)]  # of steps, samples or bytes: a training may go on for weeks


class OrderRecord(Settings):
    """The order of the samples (training/order.py)."""

    epoch: Natural = Field(description="epochs that are over")
    position: Natural = Field(description="samples of this epoch that are over")
    permutation: list[int] = Field(description="the samples in the order of this epoch")
    generator: dict[str, JsonValue] = Field(description="state of the generator of the next shuffles")


class TrainerState(Settings):
    """The state of a training after a step."""

    order: OrderRecord = Field(description="of the samples")
    precision: dict[str, float] = Field(description="of the loss scaling; empty in full precision")
    scheduler: dict[str, int | float] = Field(description="of the learning rate")
    best_score: float | None = Field(description="the best validation score so far")
    best_step: Natural | None = Field(description="its step")
    log_positions: dict[str, Natural] = Field(description="sizes in bytes of the log's files")


def read_state(where: str, step: int, state: dict[str, Any], training: Training) -> TrainerState:
    """The state of a checkpoint, for a training that shall go on from it.

    Args:
        where: the checkpoint, as the message names it.
        step, state: as `load_checkpoint` returned them.
        training: of the run's configuration.

    Raises:
        CheckpointError: the state is incomplete, damaged, or not of such a training; the first problem is named.
    """
    remedy = "restore it from a copy or train afresh in another folder"
    if lacking := set(TrainerState.model_fields) - set(state):
        raise CheckpointError(f"{where}.json lacks {min(lacking)}, it is damaged or of an earlier version: {remedy}.")
    try:
        found = TrainerState.model_validate(state)
    except ValidationError as error:
        raise CheckpointError(f"{where}.json is damaged (state.{first_problem(error)}): {remedy}.") from error
    if problem := problem_of(found, step, training):
        raise CheckpointError(f"{where}.json is damaged ({problem}): {remedy}.")
    return found


def problem_of(state: TrainerState, step: int, training: Training) -> str:
    """What contradicts the training in a state of it, "" where nothing does."""
    task, order, now = training.task, state.order, training.scheduler.state_dict()
    if step > training.steps:
        return f"step is {step}, beyond the {training.steps} steps of the configuration"
    if ((best := state.best_step) is not None and best > step) or (best is None) != (state.best_score is None):
        return "state.best_step and state.best_score are not of that step"
    if order.position > task.size or not np.array_equal(np.sort(order.permutation), np.arange(task.size)):
        return f"state.order is not of the {task.size} training samples"
    if set(state.scheduler) != set(now) or not all(map(math.isfinite, state.scheduler.values())):
        return "state.scheduler is not of the learning rate's schedule"
    if state.scheduler["last_epoch"] != step:
        return f"state.scheduler is of step {state.scheduler['last_epoch']}, not {step}"
    if set(state.log_positions) != {task.log_name, VISUALDL_FILE}:
        return "state.log_positions does not name the log's files"
    return ""
