"""The command line: `lung-ssp prepare | train | eval | ...`; tools/*.py call the same functions."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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
    from lung_ssp.cohort.prepare import prepare_cohort
    from lung_ssp.config import load_config

    print(prepare_cohort(load_config(arguments.config, arguments.override, "preparation").settings))


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
    from lung_ssp import runtime

    runtime.require_libraries()
    device = runtime.choose_device(arguments.device)
    from lung_ssp.train import train_run

    print(train_run(arguments.config, arguments.override, arguments.output, device, arguments.resume))


def evaluate(arguments: argparse.Namespace) -> None:
    """Measure a run on its test samples."""
    from lung_ssp import runtime

    runtime.require_libraries()
    runtime.choose_device(arguments.device)
    from lung_ssp.evaluate import evaluate_run

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
        )
    )


def benchmark_preparation(arguments: argparse.Namespace) -> None:
    """Measure how fast the downloaded series of a plan are prepared, with several numbers of workers."""
    from lung_ssp import runtime

    runtime.require_libraries("cv2")
    from lung_ssp.prepare import nlst_packages

    with nlst_packages():
        from lung_ssp.benchmark.preparation import benchmark_preparation as measure

        print(json.dumps(measure(settings_of(arguments), arguments.workers, arguments.repeats), indent=2))


def benchmark_plan(arguments: argparse.Namespace) -> None:
    """Measure how long the plan of a whole index takes, and in how much memory."""
    from lung_ssp.benchmark.plan import benchmark_plan as measure

    print(json.dumps(measure(settings_of(arguments), arguments.repeats), indent=2))


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
    what = command.add_subparsers(dest="what", metavar="WHAT", required=True)

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


def positive(text: str) -> int:
    """A whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
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
