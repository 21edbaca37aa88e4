"""What commands print: visible text, to an output that may refuse it."""

import argparse
import os
import sys
from typing import Any

from lung_ssp.visible import visible


def say(text: str) -> None:
    """Print a command's result."""
    print(visible(text))


def give_up_output() -> None:
    """Drop what standard output does not take (a full disk, a closed pipe), which Python would tell once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Parser(argparse.ArgumentParser):
    """A parser whose messages are visible text."""

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(visible(message), file)
