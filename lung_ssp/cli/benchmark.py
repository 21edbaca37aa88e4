"""lung-ssp benchmark and what it can measure."""

import argparse
from pathlib import Path
from typing import get_args

from lung_ssp.benchmark.cases import BenchmarkPlan, Input
from lung_ssp.benchmark.compare import compare_reports
from lung_ssp.benchmark.report import as_json, check_target, write_report
from lung_ssp.benchmark.text import comparison_text, report_text, roofline_text
from lung_ssp.classification.settings import SharingMode
from lung_ssp.cli.command import PADDLE, Command, add_config, add_device, add_nlst_cohort, positive
from lung_ssp.cli.prepare import settings_of
from lung_ssp.errors import ConfigError
from lung_ssp.preparation import nlst_packages
from lung_ssp.runtime import choose_device
from lung_ssp.training.settings import AmpLevel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar="JSON", help="set the second of two reports beside the first"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure speed and memory."""
    if arguments.compare is None:
        raise ConfigError("Say what to measure (training, inference, preparation, ...), or --compare two reports.")
    print(comparison_text(compare_reports(*arguments.compare)))


def add_steps_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_device(parser)
    parser.add_argument(
        "--sharing",
        nargs="+",
        choices=get_args(SharingMode),
        default=[],
        metavar="MODE",
        help="sharing modes to compare, of " + ", ".join(get_args(SharingMode)),
    )
    parser.add_argument(
        "--amp", nargs="+", choices=get_args(AmpLevel), default=[], help="levels of mixed precision (O0: none)"
    )
    parser.add_argument(
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
        parser.add_argument(f"--{name}", type=positive, default=default, metavar="N", help=f"{text} ({default})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report here")


def run_steps(arguments: argparse.Namespace) -> None:
    """Measure the speed, memory and operations of the steps of training or inference."""
    from lung_ssp.benchmark.run import run_benchmark

    choose_device(arguments.device)
    if arguments.json is not None:
        check_target(arguments.json)
    report = run_benchmark(
        BenchmarkPlan(
            phase=arguments.step,
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


def add_roofline_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--on", required=True, metavar="FILE", help="YAML description of a device")
    parser.add_argument("--config", required=True, nargs="+", metavar="FILE", help="YAML configurations")


def run_roofline(arguments: argparse.Namespace) -> None:
    """Compute how fast training steps could be at best on a device that is not at hand."""
    from lung_ssp.benchmark.roofline import roofline

    print(roofline_text(roofline(arguments.config, arguments.on)))


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    add_nlst_cohort(parser)
    parser.add_argument("--repeats", type=positive, default=3, metavar="N", help="how often (3)")


def run_plan(arguments: argparse.Namespace) -> None:
    """Measure how long the plan of a whole index takes, and in how much memory."""
    with nlst_packages():
        from lung_ssp.benchmark.nlst import benchmark_plan

        print(as_json(benchmark_plan(settings_of(arguments), arguments.repeats)))


def add_preparation_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan_arguments(parser)
    parser.add_argument(
        "--workers", type=positive, nargs="+", default=[1, 2], metavar="N", help="numbers of workers (1 2)"
    )


def run_preparation(arguments: argparse.Namespace) -> None:
    """Measure how fast the downloaded series of a plan are prepared, with several numbers of workers."""
    with nlst_packages():
        from lung_ssp.benchmark.nlst import benchmark_preparation

        print(as_json(benchmark_preparation(settings_of(arguments), arguments.workers, arguments.repeats)))


COMMAND = Command(
    "benchmark",
    run,
    add_arguments,
    steps=(
        Command("training", run_steps, add_steps_arguments, PADDLE),
        Command("inference", run_steps, add_steps_arguments, PADDLE),
        Command("roofline", run_roofline, add_roofline_arguments, PADDLE),
        Command("plan", run_plan, add_plan_arguments),
        Command("preparation", run_preparation, add_preparation_arguments, ("cv2",)),
    ),
    steps_metavar="WHAT",
)
