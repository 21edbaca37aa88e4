"""lung-ssp eval."""

import argparse
from pathlib import Path

from lung_ssp.cli.command import PADDLE, Command, add_device, add_run
from lung_ssp.cli.terminal import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    add_device(parser)
    parser.add_argument("--table2", action="store_true", help="set the log beside the paper's Table 2")
    parser.add_argument(
        "--real-nodules", type=Path, metavar="FOLDER", help="folder with lidc_nodules_3d.npz, for a segmentation run"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure a run on its test samples."""
    from lung_ssp.runs import evaluate

    say(evaluate(arguments.run, arguments.table2, arguments.real_nodules, device=arguments.device).text())


COMMAND = Command("eval", run, add_arguments, PADDLE)
