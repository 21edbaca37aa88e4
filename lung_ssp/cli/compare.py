"""lung-ssp compare."""

import argparse
from pathlib import Path

from lung_ssp.cli.command import Command, add_device, add_override, positive
from lung_ssp.cli.terminal import say
from lung_ssp.runtime import cores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "study", metavar="STUDY", help="YAML file of a study, or the path of a shipped one, such as studies/smoke.yml"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="OUT", help="the study's folder")
    add_override(parser)
    add_device(parser)
    parser.add_argument(
        "--workers",
        type=positive,
        default=cores(),
        metavar="N",
        help="trainings side by side on this machine, of one thread each (one for each core)",
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="of a Dask cluster whose workers see the same folders; else this machine"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="tell how many trainings are missing and how long they take; train none"
    )


def run(arguments: argparse.Namespace) -> None:
    """Train a configuration in several variants with several seeds, and compare them with statistics and figures."""
    from lung_ssp.studies.packages import study_packages

    with study_packages():
        from lung_ssp.studies.compare import Workers, compare
        from lung_ssp.studies.estimate import estimate
        from lung_ssp.studies.record import StudyError

    workers = Workers(arguments.workers, arguments.scheduler, arguments.device)
    if arguments.dry_run:
        say(estimate(arguments.study, arguments.output, arguments.override, workers).text())
        return
    result = compare(arguments.study, arguments.output, arguments.override, workers)
    say(result.report)
    if result.problems:
        raise StudyError(
            f"The study is not complete, {len(result.problems)} times something is missing: {result.problems[0]} "
            f"All are at the end of {result.out / 'statistics.txt'}; the same command tries failed runs again."
        )


COMMAND = Command("compare", run, add_arguments)
