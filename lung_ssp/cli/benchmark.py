"""lung-ssp benchmark and what it can measure."""

import argparse
from pathlib import Path
from typing import get_args

from lung_ssp.benchmark.cases import BenchmarkPlan, Input
from lung_ssp.benchmark.compare import compare_reports
from lung_ssp.benchmark.report import check_target, write_report
from lung_ssp.benchmark.text import comparison_text, report_text
from lung_ssp.classification.settings import SharingMode
from lung_ssp.cli.command import PADDLE, Command, add_config, add_device, positive
from lung_ssp.cli.terminal import say
from lung_ssp.errors import ConfigError
from lung_ssp.runtime import choose_device
from lung_ssp.training.settings import AmpLevel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar="JSON", help="set the second of two reports beside the first"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure speed and memory."""
    if arguments.compare is None:
        raise ConfigError("Say what to measure (training or inference), or --compare two reports.")
    say(comparison_text(compare_reports(*arguments.compare)))


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


def measure_steps(arguments: argparse.Namespace) -> None:
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
    say(report_text(report))


COMMAND = Command(
    "benchmark",
    run,
    add_arguments,
    steps=(
        Command("training", measure_steps, add_steps_arguments, PADDLE),
        Command("inference", measure_steps, add_steps_arguments, PADDLE),
    ),
    steps_metavar="WHAT",
)
