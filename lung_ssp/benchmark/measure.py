"""One repeat of one case, in a process of its own: python -m lung_ssp.benchmark.measure REQUEST.json RESULT.json."""

import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from lung_ssp import runtime
from lung_ssp.benchmark.cases import Case
from lung_ssp.benchmark.device import matrix_product_gflops, memory_mb, wait_for
from lung_ssp.benchmark.timing import time_steps
from lung_ssp.errors import LungSspError
from lung_ssp.files import read_json, write_json
from lung_ssp.tasks import read_training

STRETCH = {"cpu": 1, "gpu": 10}  # steps between two looks at the clock (timing.py)


@dataclass(frozen=True)
class Request:
    """What to measure.

    tree: the case's resolved configuration.
    device: "cpu" or "gpu".
    warmup, steps: untimed steps, and timed ones.
    """

    case: Case
    tree: dict[str, Any]
    device: str
    warmup: int
    steps: int


def measure(request: Request) -> dict[str, Any]:
    """Build what is asked for and time it.

    Returns:
        `step_seconds`, `reader_seconds` and `outcome` (timing.py); `memory_mb` and `matrix_product_gflops` (device.py),
        the latter measured right after the steps; and `counts` (subject.py).

    Raises:
        LungSspError: the configuration, the cohort or the device is at fault.
    """
    runtime.require_libraries()
    runtime.choose_device(request.device)
    # what loads Paddle, once it is known to load
    from lung_ssp.benchmark.inputs import example_inputs
    from lung_ssp.benchmark.subject import build_subject, count_network
    from lung_ssp.benchmark.workloads import open_workload

    case, device = request.case, request.device
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(request, Path(folder))
        subject = build_subject(config)
        runtime.use_deterministic_algorithms(subject.settings.compute.deterministic)
        with open_workload(case, subject) as work:
            times = time_steps(work, request.warmup, request.steps, STRETCH[device], wait_for(case.engine, device))
        return {
            **asdict(times),
            "memory_mb": memory_mb(case.engine, device),  # before anything else takes some
            "matrix_product_gflops": matrix_product_gflops(case.amp, device),
            "counts": count_network(config, example_inputs(case, subject)),
        }


def write_config(request: Request, folder: Path) -> Path:
    """The configuration as a file of `folder`; for synthetic input with a cohort of noise beside it."""
    path, tree = folder / "config.yml", request.tree
    path.write_text(yaml.safe_dump(tree))
    if request.case.input == "synthetic":
        from lung_ssp.benchmark.synthetic import write_noise_cohort

        cohort = folder / "cohort"
        settings: Any = read_training(path)[1].settings
        write_noise_cohort(cohort, settings, settings.seed)
        datasets = {name: {**part, "dataset_root": str(cohort)} for name, part in tree.items() if "_dataset" in name}
        path.write_text(yaml.safe_dump({**tree, **datasets}))
    return path


def main(request_file: Path, result_file: Path) -> int:
    """Measure what one file asks for and write the result to the other; a fault is told on standard error."""
    asked = read_json(request_file)
    try:
        result = measure(Request(**{**asked, "case": Case(**asked["case"])}))
    except LungSspError as error:
        print(error, file=sys.stderr)
        return 2
    write_json(result_file, result)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
