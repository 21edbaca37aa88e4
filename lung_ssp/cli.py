"""The command line: `lung-ssp prepare | train | eval | ...`; tools/*.py call the same functions."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from lung_ssp.errors import ConfigError, LungSspError

if TYPE_CHECKING:
    from lung_ssp.cohort.nlst.settings import NlstSettings

# Each command loads what it needs inside its function: asking for help, or preparing a cohort, needs no Paddle.


def prepare(arguments: argparse.Namespace) -> None:
    """Prepare a cohort: sections with labels, and slices of its scans."""
    from lung_ssp import runtime

    if arguments.config is None:
        raise ConfigError("Give a configuration (--config FILE), or a step of the trial: plan, download, run, verify.")
    runtime.require_libraries("cv2")
    from lung_ssp.cohort.preparation_settings import PreparationSettings
    from lung_ssp.cohort.prepare import prepare_cohort
    from lung_ssp.config import load_config

    print(prepare_cohort(load_config(arguments.config, PreparationSettings, arguments.override).settings))


def plan(arguments: argparse.Namespace) -> None:
    """Choose one series for each exam of the trial from the public index; nothing is downloaded."""
    from lung_ssp.prepare import plan_trial

    print(plan_trial(settings_of(arguments), arguments.patients, arguments.only_annotated, arguments.max_gb))


def download(arguments: argparse.Namespace) -> None:
    """Tell what is missing of the plan's series; with --execute, fetch it."""
    from lung_ssp.prepare import download_trial

    print(download_trial(settings_of(arguments), arguments.execute))


def run(arguments: argparse.Namespace) -> None:
    """Turn the downloaded series of a plan into a prepared cohort."""
    from lung_ssp import runtime

    runtime.require_libraries("cv2")
    from lung_ssp.prepare import run_trial

    print(run_trial(settings_of(arguments), arguments.scheduler, arguments.leaky))


def verify(arguments: argparse.Namespace) -> None:
    """Check that a prepared cohort is what was prepared; prints its fingerprint."""
    from lung_ssp.cohort.verify import verify_cohort

    print(verify_cohort(arguments.root))


def settings_of(arguments: argparse.Namespace) -> "NlstSettings":
    """The settings that --cohort or --config name, with the overrides."""
    from lung_ssp.prepare import config_of_cohort, trial_settings

    path = arguments.config if arguments.cohort is None else config_of_cohort(arguments.cohort)
    return trial_settings(path, arguments.override)


def train(arguments: argparse.Namespace) -> None:
    """Train the run that a configuration describes, or go on with it."""
    from lung_ssp.training.worker import running_as_worker

    if arguments.processes > 1 or arguments.restarts > 0:
        from lung_ssp.training.launch import Job, launch

        job = Job(training_arguments(arguments), arguments.processes, arguments.device, arguments.output)
        launch(job, arguments.restarts)
        return
    from lung_ssp import runtime

    with running_as_worker():
        runtime.require_libraries()
        from lung_ssp.runs import train as train_run

        run = train_run(
            arguments.config, arguments.output, arguments.override, device=arguments.device, resume=arguments.resume
        )
        best = f"best {run.score_name} {run.best_score:.4f} at step {run.best_step}"
        print(f"{run.run}: {run.steps} steps done; {best}")


def training_arguments(arguments: argparse.Namespace) -> list[str]:
    """The command line of one worker of a training in several processes."""
    words = ["train", "--config", arguments.config, "--output", arguments.output, "--device", arguments.device]
    for override in arguments.override:
        words += ["-o", override]
    return [str(word) for word in words] + ["--resume"] * arguments.resume


def evaluate(arguments: argparse.Namespace) -> None:
    """Measure a run on its test samples."""
    from lung_ssp import runtime

    runtime.require_libraries()
    runtime.choose_device(arguments.device)
    from lung_ssp.runs import evaluate as evaluate_run

    print(evaluate_run(arguments.run, arguments.table2, arguments.real_nodules))


def diagnose(arguments: argparse.Namespace) -> None:
    """Go the whole way from one series to findings."""
    from lung_ssp import runtime

    runtime.require_libraries()
    runtime.choose_device(arguments.device)
    from lung_ssp.diagnosis.pipeline import diagnose_series

    print(
        diagnose_series(
            arguments.series,
            arguments.segmentation,
            arguments.classification,
            arguments.out,
            arguments.series_uid,
            [name for name in arguments.accept.split(",") if name],
            arguments.engine,
            arguments.device,
        )
    )


def export(arguments: argparse.Namespace) -> None:
    """Write a run's best network as an ONNX file, by which diagnose computes on a CPU from then on."""
    from lung_ssp import runtime

    runtime.require_libraries()
    runtime.choose_device("cpu")
    from lung_ssp.runs import export as export_run

    done = export_run(arguments.run)
    print(f"{done.path}: {done.megabytes:.1f} MB, outputs within {done.greatest_difference:.1g} of Paddle's")


def benchmark_preparation(arguments: argparse.Namespace) -> None:
    """Measure how fast the downloaded series of a plan are prepared, with several numbers of workers."""
    from lung_ssp import runtime

    runtime.require_libraries("cv2")
    from lung_ssp.prepare import nlst_packages

    with nlst_packages():
        from lung_ssp.benchmark.nlst import benchmark_preparation as measure
        from lung_ssp.benchmark.report import as_json

        print(as_json(measure(settings_of(arguments), arguments.workers, arguments.repeats)))


def benchmark_plan(arguments: argparse.Namespace) -> None:
    """Measure how long the plan of a whole index takes, and in how much memory."""
    from lung_ssp.prepare import nlst_packages

    with nlst_packages():
        from lung_ssp.benchmark.nlst import benchmark_plan as measure
        from lung_ssp.benchmark.report import as_json

        print(as_json(measure(settings_of(arguments), arguments.repeats)))


def benchmark(arguments: argparse.Namespace) -> None:
    """Measure speed and memory."""
    if arguments.compare is None:
        raise ConfigError("Say what to measure (training, inference, preparation, ...), or --compare two reports.")
    from lung_ssp.benchmark.compare import compare_reports
    from lung_ssp.benchmark.text import comparison_text

    print(comparison_text(compare_reports(*arguments.compare)))


def benchmark_steps(arguments: argparse.Namespace) -> None:
    """Measure the speed, memory and operations of training or inference steps."""
    from lung_ssp import runtime

    runtime.require_libraries()
    runtime.choose_device(arguments.device)
    from lung_ssp.benchmark.cases import BenchmarkPlan
    from lung_ssp.benchmark.report import check_target, write_report
    from lung_ssp.benchmark.run import run_benchmark
    from lung_ssp.benchmark.text import report_text

    if arguments.json is not None:
        check_target(arguments.json)
    report = run_benchmark(
        BenchmarkPlan(
            phase=arguments.what,
            config=arguments.config,
            overrides=arguments.override,
            device=arguments.device,
            sharing=arguments.sharing,
            amp=arguments.amp,
            inputs=arguments.input,
            steps=arguments.steps,
            warmup=arguments.warmup,
            repeats=arguments.repeats,
        )
    )
    if arguments.json is not None:
        write_report(arguments.json, report)
    print(report_text(report))


def benchmark_roofline(arguments: argparse.Namespace) -> None:
    """Compute how fast training steps could be at best on a device that is not at hand."""
    from lung_ssp import runtime

    runtime.require_libraries()
    from lung_ssp.benchmark.roofline import roofline
    from lung_ssp.benchmark.text import roofline_text

    print(roofline_text(roofline(arguments.config, arguments.on)))


def environment(arguments: argparse.Namespace) -> None:
    """Print what this machine computes with, and what the package's settings gain."""
    from lung_ssp import runtime

    runtime.require_libraries()
    runtime.choose_device(arguments.device)
    plain = round(runtime.rate_without_settings(), 1)
    print(json.dumps({**runtime.environment(), "matrix_product_gflops_without_settings": plain}, indent=2))


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    root = argparse.ArgumentParser(prog="lung-ssp", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)

    def add(name, function, *, config=False, device=True):  # type: ignore[no-untyped-def]
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(function=function)
        if config:
            command.add_argument("--config", type=Path, required=True, metavar="FILE", help="YAML configuration")
            add_override(command)
        if device:
            command.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to compute (cpu)")
        return command

    add_prepare(add)
    command = add("train", train, config=True)
    command.add_argument("--output", type=Path, required=True, metavar="RUN", help="the run's folder")
    command.add_argument("--resume", action="store_true", help="go on with the run in the folder, if there is one")
    command.add_argument(
        "--processes",
        type=positive,
        default=1,
        metavar="N",
        help="divide each batch among so many: with a GPU each, or cores (1)",
    )
    command.add_argument(
        "--restarts",
        type=natural,
        default=0,
        metavar="R",
        help="how often to go on by itself when a process has died (0)",
    )
    command = add("eval", evaluate)
    command.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    command.add_argument("--table2", action="store_true", help="set the log beside the paper's Table 2")
    command.add_argument(
        "--real-nodules", type=Path, metavar="FOLDER", help="folder with lidc_nodules_3d.npz, for a segmentation run"
    )
    command = add("diagnose", diagnose)
    command.add_argument("series", type=Path, metavar="SERIES", help="folder of a CT series' DICOM files")
    command.add_argument("--segmentation", type=Path, required=True, metavar="RUN", help="a segmentation run")
    command.add_argument("--classification", type=Path, required=True, metavar="RUN", help="a classification run")
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where findings are written")
    command.add_argument("--series-uid", metavar="UID", help="which series, where the folder holds several")
    command.add_argument(
        "--accept",
        default="",
        metavar="NAMES",
        help="what is mended instead of refused, of tilt,gaps,duplicates; findings.json records it",
    )
    command.add_argument(
        "--engine",
        choices=("onnx", "paddle"),
        help="what runs the networks (onnx on a CPU where a run has been exported, else paddle)",
    )
    command = add("export", export, device=False)
    command.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    add_benchmark(commands)
    add("environment", environment)
    return root


def add_prepare(add) -> None:  # type: ignore[no-untyped-def]
    """The command prepare, which by itself prepares the embedded cohort or one's own, and its steps for the trial."""
    command = add("prepare", prepare, device=False)
    command.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration")
    add_override(command)
    steps = command.add_subparsers(dest="step", metavar="STEP", title="steps of a cohort from the trial's own images")

    def add_step(name, function):  # type: ignore[no-untyped-def]
        step = steps.add_parser(name, help=function.__doc__, description=function.__doc__)
        step.set_defaults(function=function)
        add_cohort(step)
        return step

    step = add_step("plan", plan)
    step.add_argument("--patients", type=Path, metavar="FILE", help="only these participants, one a line")
    step.add_argument("--only-annotated", action="store_true", help="only exams in which somebody marked a lesion")
    step.add_argument("--max-gb", type=float, metavar="GB", help="no more than this to download, whole exams")
    step = add_step("download", download)
    step.add_argument("--execute", action="store_true", help="fetch; without it nothing is fetched")
    step = add_step("run", run)
    step.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster; without it, workers on this machine")
    step.add_argument(
        "--leaky", action="store_true", help="divide sections, not patients, to show what it costs; results are marked"
    )
    step = steps.add_parser("verify", help=verify.__doc__, description=verify.__doc__)
    step.set_defaults(function=verify)
    step.add_argument("root", type=Path, metavar="COHORT", help="folder of a prepared cohort, of any kind")


def add_benchmark(commands) -> None:  # type: ignore[no-untyped-def]
    """The command benchmark and what it can measure."""
    command = commands.add_parser(
        "benchmark", help="Measure speed and memory.", description="Measure speed and memory."
    )
    command.set_defaults(function=benchmark)
    command.add_argument(
        "--compare", nargs=2, type=Path, metavar="JSON", help="set the second of two reports beside the first"
    )
    what = command.add_subparsers(dest="what", metavar="WHAT")
    add_roofline(what.add_parser("roofline", help="lower bounds on paper", description=benchmark_roofline.__doc__))
    for phase in ("training", "inference"):
        add_benchmark_steps(what.add_parser(phase, help=f"the steps of {phase}", description=benchmark_steps.__doc__))

    def add_step(name, function):  # type: ignore[no-untyped-def]
        step = what.add_parser(name, help=function.__doc__, description=function.__doc__)
        step.set_defaults(function=function)
        add_cohort(step)
        step.add_argument("--repeats", type=positive, default=3, metavar="N", help="how often (3)")
        return step

    add_step("plan", benchmark_plan)
    step = add_step("preparation", benchmark_preparation)
    step.add_argument(
        "--workers", type=positive, nargs="+", default=[1, 2], metavar="N", help="numbers of workers (1 2)"
    )


def add_roofline(step: argparse.ArgumentParser) -> None:
    """The options of the lower bounds on paper."""
    step.set_defaults(function=benchmark_roofline)
    step.add_argument("--on", type=Path, required=True, metavar="FILE", help="YAML description of a device")
    step.add_argument("--config", type=Path, required=True, nargs="+", metavar="FILE", help="YAML configurations")


def add_benchmark_steps(step: argparse.ArgumentParser) -> None:
    """The options of the benchmarks of training and inference."""
    from lung_ssp.benchmark.cases import Input
    from lung_ssp.training.settings import AmpLevel

    step.set_defaults(function=benchmark_steps)
    step.add_argument("--config", type=Path, required=True, metavar="FILE", help="YAML configuration of a training")
    add_override(step)
    step.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to compute (cpu)")
    add_sharing(step)
    step.add_argument(
        "--amp", nargs="+", choices=get_args(AmpLevel), default=[], help="levels of mixed precision (O0: none)"
    )
    step.add_argument(
        "--input",
        nargs="+",
        choices=get_args(Input),
        default=["synthetic"],
        help="synthetic: one batch again and again, needs no cohort; real: the cohort, read as it is used",
    )
    for name, default, text in (
        ("steps", 20, "timed steps of a repeat"),
        ("warmup", 5, "untimed steps before them"),
        ("repeats", 3, "how often each case is measured, in turns"),
    ):
        step.add_argument(f"--{name}", type=positive, default=default, metavar="N", help=f"{text} ({default})")
    step.add_argument("--json", type=Path, metavar="FILE", help="write the whole report here")


def add_sharing(step: argparse.ArgumentParser) -> None:
    """The option --sharing of a benchmark."""
    from lung_ssp.classification.settings import SharingMode

    step.add_argument(
        "--sharing",
        nargs="+",
        choices=get_args(SharingMode),
        default=[],
        metavar="MODE",
        help="sharing modes to compare, of " + ", ".join(get_args(SharingMode)),
    )


def positive(text: str) -> int:
    """A whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def natural(text: str) -> int:
    """A whole number from 0 on."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def add_cohort(command: argparse.ArgumentParser) -> None:
    """The options that name a cohort from the trial's images."""
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--cohort", metavar="NAME", help="configs/cohort/NAME.yml")
    which.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration")
    add_override(command)


def add_override(command: argparse.ArgumentParser) -> None:
    """The option -o."""
    command.add_argument(
        "-o", dest="override", action="append", default=[], metavar="KEY=VALUE", help="override one setting"
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; a fault of the input is one sentence on standard error and exit code 2."""
    arguments = parser().parse_args(words)
    try:
        arguments.function(arguments)
    except LungSspError as error:
        print(f"lung-ssp {arguments.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(f"lung-ssp {arguments.command}: {error.strerror or error}{where}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"lung-ssp {arguments.command}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
