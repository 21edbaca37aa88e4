"""A whole benchmark: its cases in turns, each repeat in a fresh process, and what came of them."""

import importlib.util
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lung_ssp import runtime
from lung_ssp.benchmark.cases import AmpLevel, Case, Input, Phase, make_cases
from lung_ssp.benchmark.figures import figures_of
from lung_ssp.benchmark.measure import STRETCH, Request
from lung_ssp.benchmark.reports import FORMAT
from lung_ssp.classification.settings import SharingMode
from lung_ssp.cohort.description import read_cohort
from lung_ssp.errors import ConfigError, EnvironmentFault, LungSspError
from lung_ssp.files import read_json, write_json
from lung_ssp.tasks import read_training

OTHER_ENGINES = ("torch", "onnxruntime")


@dataclass(frozen=True)
class Plan:
    """What a benchmark measures; no `sharing` or `amp` leaves the choice to the configuration.

    config, overrides: as for a training.
    device: "cpu" or "gpu", chosen already.
    torch: measure PyTorch as well.
    steps, warmup: timed and untimed steps of a repeat.
    """

    phase: Phase
    config: Path
    overrides: Sequence[str]
    device: str
    sharing: Sequence[SharingMode]
    amp: Sequence[AmpLevel]
    inputs: Sequence[Input]
    torch: bool
    steps: int
    warmup: int
    repeats: int


def run_benchmark(plan: Plan) -> dict[str, Any]:
    """Measure all cases of a plan, in turns, so that what slows the machine for a while slows them alike.

    Returns:
        the report, as its JSON file holds it.

    Raises:
        LungSspError: the configuration is at fault, a real cohort or PyTorch is missing, or nothing could be measured.
    """
    config = read_training(plan.config, plan.overrides)[1]
    settings: Any = config.settings
    if plan.sharing and settings.task == "segmentation":
        raise ConfigError(f"--sharing is of the classifier, and {plan.config} trains a U-Net: leave it out.")
    if plan.torch and importlib.util.find_spec("torch") is None:
        raise EnvironmentFault("--torch needs PyTorch: install the extra benchmark, or torch itself for the device.")
    cases = make_cases(settings, plan.phase, plan.sharing, plan.amp, plan.inputs, plan.torch)
    cohort = None
    if any(case.input == "real" for case in cases):
        cohort = read_cohort(Path(settings.train_dataset.dataset_root)).statement
    left_out = {case: reason for case in cases if (reason := reason_to_leave_out(case, plan))}
    measured: dict[Case, list[dict[str, Any]]] = {case: [] for case in cases}
    with tqdm(total=plan.repeats * (len(cases) - len(left_out)), desc="benchmark", unit="repeat") as bar:
        for _ in range(plan.repeats):
            for case in cases:
                if case in left_out:
                    continue
                tree = read_training(plan.config, [*plan.overrides, *case.overrides()])[1].tree
                try:
                    measured[case].append(in_fresh_process(Request(case, tree, plan.device, plan.warmup, plan.steps)))
                except LungSspError as error:
                    left_out[case] = str(error)
                bar.update()
    if len(left_out) == len(cases):
        raise LungSspError(f"Nothing could be measured: {next(iter(left_out.values()))}")
    return {
        "format": FORMAT,
        "task": settings.task,
        "phase": plan.phase,
        "config": str(plan.config),
        "settings": config.tree,
        "seed": settings.seed,
        "cohort": cohort,
        "environment": with_engines(runtime.environment()),
        "repeats": plan.repeats,
        "steps": plan.steps,
        "warmup": plan.warmup,
        "stretch": STRETCH[plan.device],
        "cases": [
            {"name": case.name, **asdict(case), **figures_of(case, measured[case]), "repeats": measured[case]}
            for case in cases
            if case not in left_out
        ],
        "left_out": [
            {"name": case.name, **asdict(case), "reason": left_out[case]} for case in cases if case in left_out
        ],
    }


def with_engines(environment: dict[str, Any]) -> dict[str, Any]:
    """The same with the versions of what is compared with Paddle, where it is installed."""
    others = {name: version for name in OTHER_ENGINES if (version := runtime.package_version(name))}
    return {**environment, "packages": {**environment["packages"], **others}}


def reason_to_leave_out(case: Case, plan: Plan) -> str:
    """Why a case cannot be measured here; empty where it can."""
    from lung_ssp.training.precision import check_device

    try:
        settings: Any = read_training(plan.config, [*plan.overrides, *case.overrides()])[1].settings
        if case.amp != "O0":
            check_device(case.amp)
    except ConfigError as error:
        return str(error)
    if case.engine == "paddle":
        return ""
    if case.amp != "O0":
        return f"{case.engine} is measured in float32 alone."
    if case.task == "classification" and settings.model.takes_slides:
        return f"{case.engine} has no network of two inputs."
    return reason_without_onnx(plan.device) if case.engine == "onnx" else reason_without_torch(plan.device)


def reason_without_onnx(device: str) -> str:
    """Why ONNX Runtime cannot be measured; empty where it can."""
    if device == "gpu":
        return "onnx is what diagnosis runs on a CPU."
    missing = [name for name in ("paddle2onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    return f"onnx needs {' and '.join(missing)}: install the extra onnx." if missing else ""


def reason_without_torch(device: str) -> str:
    """Why PyTorch, which is installed, cannot be measured; empty where it can."""
    import torch

    if device == "gpu" and not torch.cuda.is_available():
        return "torch sees no GPU: install a build of PyTorch for CUDA."
    return ""


def in_fresh_process(request: Request) -> dict[str, Any]:
    """Measure in a process of its own, so that neither memory nor what a library has learnt passes from case to case.

    Raises:
        LungSspError: telling why it could not be measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, result = Path(folder) / "request.json", Path(folder) / "result.json"
        write_json(asked, asdict(request))
        command = [sys.executable, "-m", "lung_ssp.benchmark.measure", str(asked), str(result)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return read_json(result)
    told = done.stderr.strip().splitlines()
    if done.returncode < 0:
        raise LungSspError(
            f"its process was ended by {signal.Signals(-done.returncode).name} (is there enough memory?)."
        )
    raise LungSspError(
        next((line for line in reversed(told) if done.returncode == 2 or "Error" in line), "no reason told")
    )
