"""The process of one side of torch_training.py: python torch_side.py SIDE DEVICE LEARNING.yml TIMED.yml.

It prints the losses of its first steps on LEARNING.yml; then, for each number of steps on standard input, the time of a
step on TIMED.yml.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

PADDLE, TORCH, TORCH_KEEPING = "paddle", "torch", "torch_keeping_blocks"
LEARNING_STEPS = 20  # whose losses are compared
WARMUP_STEPS = 2


def leave_memory_alone(side: str) -> None:
    """Keep lung_ssp, which is not imported yet, from setting malloc where PyTorch is measured as it comes.

    glibc has read its variables before Python starts, so that one set here changes nothing else.
    """
    if side == TORCH:
        os.environ["MALLOC_TRIM_THRESHOLD_"] = "untouched"


def serve(side: str, device: str, learning: Path, timed: Path) -> None:
    """Print the losses, then the time of as many steps as each line of standard input says."""
    from lung_ssp import runtime

    runtime.require_libraries()
    runtime.choose_device(cast(runtime.Device, device))
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    step = training_step(side, learning)
    print(json.dumps([float(step()) for _ in range(LEARNING_STEPS)]), file=answers, flush=True)
    step = training_step(side, timed)
    for _ in range(WARMUP_STEPS):
        float(step())
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count := int(line)):
            loss = step()
        float(loss)  # waits for a GPU
        spent = {"wall_ms": 1e3 * (time.perf_counter() - wall), "cpu_ms": 1e3 * (time.process_time() - cpu)}
        print(json.dumps({name: value / count for name, value in spent.items()}), file=answers, flush=True)


def training_step(side: str, config: Path) -> Callable[[], Any]:
    """A function that makes one training step on the configuration's first batch and returns the loss."""
    from lung_ssp.benchmark import steps
    from lung_ssp.training.batches import Load, batches
    from lung_ssp.training.order import SampleOrder

    subject = steps.build_subject(config)
    task, settings = subject.training.task, subject.settings
    load: Load = task.load
    if side == PADDLE:
        step = steps.training_step(subject)
    else:
        import torch_steps

        load, step = torch_steps.host_load(task), torch_steps.training_step(subject)
    order = SampleOrder(task.size, settings.batch_size, settings.seed)
    with batches(load, order, settings.seed, range(1, 2), 0) as coming:
        drawn = next(coming)
    return lambda: step(drawn)


if __name__ == "__main__":
    leave_memory_alone(sys.argv[1])
    from lung_ssp.errors import LungSspError

    try:
        serve(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    except LungSspError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
