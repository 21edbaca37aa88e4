"""A case as something to time."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import numpy as np

from lung_ssp.benchmark.cases import Case, Engine
from lung_ssp.benchmark.inputs import inference_batches, training_batches
from lung_ssp.benchmark.subject import Subject
from lung_ssp.benchmark.timing import Workload

# by name: each needs what the others do without
STEPS: dict[Engine, str] = {engine: f"lung_ssp.benchmark.{engine}_steps" for engine in get_args(Engine)}


@contextmanager
def open_workload(case: Case, subject: Subject) -> Iterator[Workload]:
    """The case's steps; its batches can be read as long as this is open."""
    steps = importlib.import_module(STEPS[case.engine])
    if case.phase == "training":
        with training_batches(case, subject) as coming:
            yield Workload(case.batch_size, coming, steps.training_step(subject), float)
    else:
        yield Workload(case.batch_size, inference_batches(case, subject), steps.inference_step(subject), mean)


def mean(predicted: np.ndarray) -> float:
    """The mean of what a network predicted; a section without a slide has no pathology logits (NaN)."""
    return float(np.nanmean(predicted))
