"""lung-ssp prepare, which by itself prepares the embedded cohort or one's own, and its steps for public images."""

import argparse
from pathlib import Path

from lung_ssp.cli.command import OPENCV, Command, add_nlst_cohort, add_override
from lung_ssp.cli.terminal import say
from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.cohort.public.settings import PublicSettings
from lung_ssp.errors import ConfigError
from lung_ssp.preparation import (
    config_of_cohort,
    download_nlst,
    download_public,
    plan_nlst,
    plan_public,
    prepare,
    run_nlst,
    run_public,
    stepwise_settings,
)


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


def settings_of(arguments: argparse.Namespace) -> NlstSettings | PublicSettings:
    """The settings that --cohort or --config name, with the overrides."""
    path = arguments.config if arguments.cohort is None else config_of_cohort(arguments.cohort)
    return stepwise_settings(path, arguments.override)


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    add_nlst_cohort(parser)
    parser.add_argument("--patients", type=Path, metavar="FILE", help="only these patients, one a line")
    parser.add_argument("--only-annotated", action="store_true", help="only exams in which somebody marked a lesion")
    parser.add_argument("--max-gb", type=float, metavar="GB", help="download limit in GB; whole exams only")


def make_plan(arguments: argparse.Namespace) -> None:
    """Choose the series of a collection from the public index, for NLST one an exam; nothing is downloaded."""
    from lung_ssp.cohort.nlst.text import plan_text
    from lung_ssp.cohort.public.plan import public_plan_text

    settings = settings_of(arguments)
    narrowing = (arguments.patients, arguments.only_annotated, arguments.max_gb)
    if isinstance(settings, PublicSettings):
        say(public_plan_text(plan_public(settings, *narrowing)))
    else:
        say(plan_text(plan_nlst(settings, *narrowing)))


def add_download_arguments(parser: argparse.ArgumentParser) -> None:
    add_nlst_cohort(parser)
    parser.add_argument("--execute", action="store_true", help="download; without it, a dry run")


def download_series(arguments: argparse.Namespace) -> None:
    """Tell what is missing of the plan's series; with --execute, fetch it."""
    from lung_ssp.cohort.idc.amounts import download_text

    settings = settings_of(arguments)
    if isinstance(settings, PublicSettings):
        say(download_text(download_public(settings, arguments.execute)))
    else:
        say(download_text(download_nlst(settings, arguments.execute)))


def add_nlst_cohort_arguments(parser: argparse.ArgumentParser) -> None:
    add_nlst_cohort(parser)
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster; without it, workers on this machine")
    parser.add_argument(
        "--leaky", action="store_true", help="divide sections, not patients, to show what it costs; results are marked"
    )


def prepare_nlst_cohort(arguments: argparse.Namespace) -> None:
    """Turn the downloaded series of a plan into a prepared cohort."""
    from lung_ssp.cohort.nlst.text import preparation_text

    settings = settings_of(arguments)
    if isinstance(settings, PublicSettings):
        say(preparation_text(run_public(settings, arguments.scheduler, arguments.leaky)))
    else:
        say(preparation_text(run_nlst(settings, arguments.scheduler, arguments.leaky)))


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
        Command("run", prepare_nlst_cohort, add_nlst_cohort_arguments, OPENCV),
        Command("verify", check_cohort, add_verify_arguments),
    ),
    steps_title="steps of a cohort from public images: NLST, LIDC-IDRI, Lung-PET-CT-Dx",
)
