"""A whole benchmark: its cases in turn, each repeat in a fresh process."""

import importlib.util
from itertools import product

from tqdm import tqdm

from lung_ssp import runtime
from lung_ssp.benchmark.cases import ENGINES, BenchmarkPlan, Case
from lung_ssp.benchmark.measure import Request, in_fresh_process
from lung_ssp.benchmark.report import BenchmarkReport, MeasuredCase, Repeat, figures_of
from lung_ssp.cohort.description import read_cohort
from lung_ssp.errors import ConfigError, LungSspError
from lung_ssp.tasks import read_training
from lung_ssp.training.precision import check_device
from lung_ssp.training.settings import TrainingSettings
from lung_ssp.training.task import BenchmarkCases


def run_benchmark(plan: BenchmarkPlan) -> BenchmarkReport:
    """Measure all cases of a plan, in turns, so that what slows the machine for a while slows them alike.

    Raises:
        LungSspError: the configuration is invalid, a real cohort is missing, or nothing could be measured.
    """
    task_type, config = read_training(plan.config, plan.overrides)
    of_task = task_type.benchmark_cases(config.settings)
    if plan.sharing and not of_task.sharing:
        raise ConfigError(f"{plan.config} trains one network, which shares nothing: leave out --sharing.")
    cohort = read_cohort(config.settings.cohort).statement if "real" in plan.inputs else None
    cases = make_cases(plan, config.settings, of_task)
    repeats, skipped = measure_in_turns(cases, plan)
    if len(skipped) == len(cases):
        raise LungSspError(f"Nothing could be measured: {next(iter(skipped.values()))}")
    return BenchmarkReport(
        plan=plan,
        settings=config.tree,
        seed=config.settings.seed,
        cohort=cohort,
        environment=runtime.environment(),
        cases=[MeasuredCase(case, figures_of(case, own), own) for case, own in repeats.items() if case not in skipped],
        skipped={case.name: skipped[case] for case in cases if case in skipped},
    )


def make_cases(plan: BenchmarkPlan, settings: TrainingSettings, of_task: BenchmarkCases) -> list[Case]:
    """The cases of a plan in the order in which they are measured.

    Inference is measured on one image (latency) and on a full batch (throughput).
    """
    sizes = {settings.batch_size} if plan.phase == "training" else {1, of_task.inference_batch_size}
    return [
        Case(settings.task, plan.phase, mode, level, source, batch_size, engine)
        for mode, level, source, batch_size in product(
            plan.sharing or [of_task.sharing], plan.amp or [settings.compute.amp_level], plan.inputs, sorted(sizes)
        )
        for engine in ENGINES[plan.phase]
    ]


def measure_in_turns(cases: list[Case], plan: BenchmarkPlan) -> tuple[dict[Case, list[Repeat]], dict[Case, str]]:
    """The repeats of every case, and the reasons of those that were skipped; what fails once is not tried again."""
    skipped = {case: reason for case in cases if (reason := reason_to_skip(case, plan))}
    repeats: dict[Case, list[Repeat]] = {case: [] for case in cases}
    with tqdm(total=plan.repeats * (len(cases) - len(skipped)), desc="benchmark", unit="repeat") as bar:
        for _ in range(plan.repeats):
            for case in cases:
                if case in skipped:
                    continue
                tree = read_training(plan.config, [*plan.overrides, *case.overrides()])[1].tree
                try:
                    repeats[case].append(in_fresh_process(Request(case, tree, plan.device, plan.warmup, plan.steps)))
                except LungSspError as error:
                    skipped[case] = str(error)
                bar.update()
    return repeats, skipped


def reason_to_skip(case: Case, plan: BenchmarkPlan) -> str:
    """Why a case cannot be measured here; empty where it can."""
    try:
        task_type, config = read_training(plan.config, [*plan.overrides, *case.overrides()])
        if case.amp != "O0":
            check_device(case.amp)
    except ConfigError as error:
        return str(error)
    if case.engine == "paddle":
        return ""
    if plan.device == "gpu":
        return "ONNX Runtime is measured on a CPU, where diagnosis uses it."
    if case.amp != "O0":
        return "ONNX Runtime is measured in float32 only."
    if task_type.benchmark_cases(config.settings).two_inputs:
        return "A network of two inputs cannot be exported to ONNX."
    missing = [name for name in ("paddle2onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    return f"ONNX needs {' and '.join(missing)}: install the extra onnx." if missing else ""
