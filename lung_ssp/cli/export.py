"""lung-ssp export."""

import argparse

from lung_ssp.cli.command import PADDLE, Command, add_run
from lung_ssp.cli.terminal import say


def run(arguments: argparse.Namespace) -> None:
    """Write a run's best network as an ONNX file, by which diagnose computes on a CPU from then on."""
    from lung_ssp.runs import export

    done = export(arguments.run)
    say(f"{done.path}: {done.megabytes:.1f} MB, outputs within {done.greatest_difference:.1g} of Paddle's")


COMMAND = Command("export", run, add_run, PADDLE)
