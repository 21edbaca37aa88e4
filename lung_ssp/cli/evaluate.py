"""lung-ssp eval."""

import argparse
from pathlib import Path

from lung_ssp.cli.command import PADDLE, Command, add_device
from lung_ssp.cli.terminal import say
from lung_ssp.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="the run's folder; of several segmentation runs, one a fold, the nodules go into one table, of several "
        "classification runs the folds are put together",
    )
    add_device(parser)
    parser.add_argument("--table2", action="store_true", help="set the log beside the paper's Table 2")
    parser.add_argument(
        "--real-nodules",
        type=Path,
        metavar="FOLDER",
        help="folder with lidc_nodules_3d.npz or val_patches.h5, for a segmentation run",
    )
    parser.add_argument(
        "--nodules",
        type=Path,
        metavar="FOLDER",
        help="a prepared cohort of nodules to measure a segmentation run on (that of the run)",
    )
    parser.add_argument(
        "--candidates",
        type=Path,
        metavar="RUN",
        help="a run of the false-positive reduction, to measure the test scans of a segmentation run with it as well",
    )
    parser.add_argument(
        "--joined", type=Path, metavar="FOLDER", help="folder for what several runs give together (else only printed)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure a run on its test samples."""
    from lung_ssp.classification.pooled import pooled_text
    from lung_ssp.runs import evaluate, join, pool
    from lung_ssp.segmentation.nodule_report import nodule_text
    from lung_ssp.tasks import read_run

    runs, device, nodules = arguments.run, arguments.device, arguments.nodules
    if len(runs) == 1 and arguments.joined is None:
        say(evaluate(runs[0], arguments.table2, arguments.real_nodules, device, nodules, arguments.candidates).text())
        return
    if arguments.table2 or arguments.real_nodules or arguments.candidates:
        raise ConfigError("--table2, --real-nodules and --candidates measure one run: leave them out, or name one run.")
    if nodules is None and read_run(runs[0])[0].name == "classification":
        say(pooled_text(pool(runs, arguments.joined, device)))
        return
    say(nodule_text(join(runs, arguments.joined, device, nodules)))


COMMAND = Command("eval", run, add_arguments, PADDLE)
