"""lung-ssp environment."""

import argparse
import json

from lung_ssp.cli.command import PADDLE, Command, add_device


def run(arguments: argparse.Namespace) -> None:
    """Print versions, threads, and the matrix-product rate with and without the package's CPU settings."""
    from lung_ssp.runtime import choose_device, environment, rate_without_settings

    choose_device(arguments.device)
    plain = round(rate_without_settings(), 1)
    print(json.dumps({**environment(), "matrix_product_gflops_without_settings": plain}, indent=2))


COMMAND = Command("environment", run, add_device, PADDLE)
