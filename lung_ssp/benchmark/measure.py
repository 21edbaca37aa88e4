"""One repeat of one case, in a process of its own: python -m lung_ssp.benchmark.measure REQUEST.json RESULT.json."""

import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from lung_ssp import runtime
from lung_ssp.benchmark.cases import Case
from lung_ssp.benchmark.device import matrix_product_gflops, peak_memory, synchroniser
from lung_ssp.benchmark.report import Repeat
from lung_ssp.benchmark.timing import time_steps
from lung_ssp.errors import LungSspError
from lung_ssp.files import read_json, write_json

INTERVAL = {"cpu": 1, "gpu": 10}  # steps between two readings of the clock (timing.py)


@dataclass(frozen=True)
class Request:
    """What to measure.

    tree: the case's resolved configuration.
    device: "cpu" or "gpu".
    warmup, steps: untimed steps, and timed ones.
    """

    case: Case
    tree: dict[str, Any]
    device: runtime.Device
    warmup: int
    steps: int


def measure(request: Request) -> Repeat:
    """Build what is asked for and time it.

    Raises:
        LungSspError: the configuration or the cohort is invalid, or the device is missing.
    """
    runtime.require_libraries()
    runtime.choose_device(request.device)
    # what loads Paddle, once it is known to load
    from lung_ssp.benchmark.counting import count_flops, trainable
    from lung_ssp.benchmark.steps import build_subject, image_shape, open_steps

    case, device = request.case, request.device
    with tempfile.TemporaryDirectory() as folder:
        subject = build_subject(write_config(request, Path(folder)))
        runtime.use_deterministic_algorithms(subject.settings.compute.deterministic)
        with open_steps(case, subject) as (batches, step):
            times = time_steps(
                batches,
                step,
                warmup=request.warmup,
                steps=request.steps,
                interval=INTERVAL[device],
                synchronise=synchroniser(device),
            )
        memory = peak_memory(device)  # before anything else takes some
        rate = matrix_product_gflops(case.amp, device)
        network = subject.new_network()
        shape = image_shape(case, subject)
        flops = None if subject.cases.two_inputs else count_flops(network, shape, case.phase == "training")
        return Repeat(times, memory, rate, trainable(network), flops)


def write_config(request: Request, folder: Path) -> Path:
    """The configuration as a file of `folder`; for synthetic input with a cohort of noise beside it."""
    path, tree = folder / "config.yml", request.tree
    path.write_text(yaml.safe_dump(tree))
    if request.case.input == "synthetic":
        from lung_ssp.benchmark.steps import write_noise_cohort

        cohort = folder / "cohort"
        write_noise_cohort(cohort, path)
        datasets = {name: {**part, "dataset_root": str(cohort)} for name, part in tree.items() if "_dataset" in name}
        datasets["train_dataset"].pop("also", None)  # noise of one cohort stands for all
        path.write_text(yaml.safe_dump({**tree, **datasets}))
    return path


def in_fresh_process(request: Request) -> Repeat:
    """Measure in a process of its own, so that no memory and no chosen algorithm passes from case to case.

    Raises:
        LungSspError: with the reason why it could not be measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, result = Path(folder) / "request.json", Path(folder) / "result.json"
        write_json(asked, asdict(request))
        command = [sys.executable, "-m", "lung_ssp.benchmark.measure", str(asked), str(result)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return TypeAdapter(Repeat).validate_python(read_json(result))
    raise LungSspError(reason_of_end(done.returncode, done.stderr))


def reason_of_end(code: int, errors: str) -> str:
    """Why a process failed, from its exit code (2: an error in one sentence) and its standard error."""
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name} (out of memory?)."
    lines = reversed(errors.strip().splitlines())
    return next((line for line in lines if code == 2 or "Error" in line), "no reason given")


def main(request_file: Path, result_file: Path) -> int:
    """Measure what one file asks for and write the result to the other; an error goes to standard error."""
    try:
        result = measure(TypeAdapter(Request).validate_python(read_json(request_file)))
    except LungSspError as error:
        print(error, file=sys.stderr)
        return 2
    write_json(result_file, asdict(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
