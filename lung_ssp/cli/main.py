"""The entry point: parses the command line, runs one command, and tells an error in one sentence."""

import argparse
import sys
from collections.abc import Sequence

from lung_ssp.cli import benchmark, diagnose, environment, evaluate, export, prepare, train
from lung_ssp.cli.command import Command
from lung_ssp.errors import LungSspError
from lung_ssp.runtime import require_libraries

COMMANDS: tuple[Command, ...] = (
    prepare.COMMAND,
    train.COMMAND,
    evaluate.COMMAND,
    diagnose.COMMAND,
    export.COMMAND,
    benchmark.COMMAND,
    environment.COMMAND,
)


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    root = argparse.ArgumentParser(
        prog="lung-ssp",
        description="Early diagnosis of lung cancer from low-dose CT. Research use only, not for diagnosis.",
    )
    commands = root.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add_to(commands.add_parser(command.name, help=command.run.__doc__, description=command.run.__doc__))
    return root


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 2 after an error that the user can mend, which is one sentence on standard error; 130 after Ctrl-C.
    """
    arguments = parser().parse_args(words)
    command: Command = arguments.command_to_run
    try:
        if command.libraries:
            require_libraries(*command.libraries)
        command.run(arguments)
    except LungSspError as error:
        print(f"lung-ssp {arguments.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(f"lung-ssp {arguments.command}: {error.strerror or error}{where}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"lung-ssp {arguments.command}: interrupted", file=sys.stderr)
        return 130
    return 0
