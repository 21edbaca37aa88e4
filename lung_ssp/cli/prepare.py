"""lung-ssp prepare, which by itself prepares the embedded cohort or one's own, and its steps for public images."""

import argparse
from pathlib import Path

from lung_ssp.cli.command import OPENCV, Command, add_override, add_stepwise_cohort
from lung_ssp.cli.terminal import say
from lung_ssp.errors import ConfigError
from lung_ssp.preparation import prepare
from lung_ssp.stepwise import Narrowing, StepwiseCohort, config_of_cohort, stepwise_cohort


def add_cohort_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="YAML configuration, or the path of a shipped one")
    add_override(parser)


def prepare_cohort(arguments: argparse.Namespace) -> None:
    """Prepare a cohort: sections with labels, and slices of its scans."""
    if arguments.config is None:
        raise ConfigError(
            "Give a configuration (--config FILE), or a step for public images: plan, download, run, verify."
        )
    prepared = prepare(arguments.config, arguments.override)
    say(f"{prepared.root}: {prepared.description.statement}")
    for leak in prepared.description.leaks:
        say(f"leak: {leak}")


def cohort_of(arguments: argparse.Namespace) -> StepwiseCohort:
    """The cohort that --cohort or --config names, with the overrides."""
    path = arguments.config if arguments.cohort is None else config_of_cohort(arguments.cohort)
    return stepwise_cohort(path, arguments.override)


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    add_stepwise_cohort(parser)
    parser.add_argument("--patients", type=Path, metavar="FILE", help="only these patients, one a line")
    parser.add_argument("--only-annotated", action="store_true", help="only studies in which somebody marked a lesion")
    parser.add_argument(
        "--max-gb", type=float, metavar="GB", help="download limit in GB; whole patients only, of NLST whole exams"
    )


def make_plan(arguments: argparse.Namespace) -> None:
    """Choose the series of a collection from the public index, for NLST one an exam; nothing is downloaded."""
    narrowing = Narrowing(arguments.patients, arguments.only_annotated, arguments.max_gb)
    say(cohort_of(arguments).plan(narrowing).text)


def add_download_arguments(parser: argparse.ArgumentParser) -> None:
    add_stepwise_cohort(parser)
    parser.add_argument("--execute", action="store_true", help="download; without it, a dry run")


def download_series(arguments: argparse.Namespace) -> None:
    """Tell what is missing of the plan's series; with --execute, fetch it."""
    say(cohort_of(arguments).download(arguments.execute).text)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    add_stepwise_cohort(parser)
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster; without it, workers on this machine")
    parser.add_argument(
        "--leaky", action="store_true", help="divide sections, not patients, to show what it costs; results are marked"
    )


def run_preparation(arguments: argparse.Namespace) -> None:
    """Turn the downloaded series of a plan into a prepared cohort."""
    say(cohort_of(arguments).run(arguments.scheduler, arguments.leaky).text)


def add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", type=Path, metavar="COHORT", help="folder of a prepared cohort, of any kind")


def check_cohort(arguments: argparse.Namespace) -> None:
    """Check that a prepared cohort is what was prepared; prints its fingerprint."""
    from lung_ssp.cohort.verify import verify_cohort

    check = verify_cohort(arguments.root)
    say(check.description.statement)
    say(f"{check.files} files, as recorded")
    say("sections: " + ", ".join(f"{split} {count}" for split, count in check.sections.items()))
    say("patients: " + ("on both sides of the splits, on purpose" if check.leaky else "each in one split"))
    for finding in check.findings:
        say(f"finding: {finding}")
    say(f"fingerprint {check.fingerprint}")


COMMAND = Command(
    "prepare",
    prepare_cohort,
    add_cohort_arguments,
    OPENCV,
    steps=(
        Command("plan", make_plan, add_plan_arguments),
        Command("download", download_series, add_download_arguments),
        Command("run", run_preparation, add_run_arguments, OPENCV),
        Command("verify", check_cohort, add_verify_arguments),
    ),
    steps_title="steps of a cohort from public images: NLST, LIDC-IDRI, Lung-PET-CT-Dx",
)
