"""The entry point: parses the command line, runs one command, and prints an error in one sentence."""

import argparse
import sys
from collections.abc import Sequence

from lung_ssp.cli import benchmark, compare, diagnose, environment, evaluate, export, prepare, train
from lung_ssp.cli.command import Command, load_libraries
from lung_ssp.cli.terminal import Parser, open_streams, sentence_of, tell
from lung_ssp.errors import ConfigError, LungSspError, is_want_of_memory
from lung_ssp.interruption import (
    INTERRUPTED,
    TERMINATED,
    Terminated,
    end_undisturbed,
    ending_by_exception,
    is_interruption,
)

MEMORY = "The memory is used up: end other programs, or make batches or the input smaller."
COMMANDS: tuple[Command, ...] = (
    prepare.COMMAND,
    train.COMMAND,
    evaluate.COMMAND,
    compare.COMMAND,
    diagnose.COMMAND,
    export.COMMAND,
    benchmark.COMMAND,
    environment.COMMAND,
)


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    root: argparse.ArgumentParser = Parser(
        prog="lung-ssp",
        description="Early diagnosis of lung cancer from low-dose CT. Research use only, not for diagnosis.",
    )
    commands = root.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return root


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 2 after an error that the user can correct, which is one sentence on standard error; 130 after Ctrl-C; 143
        after SIGTERM.
    """
    open_streams()
    arguments = parser().parse_args(words)
    try:
        with ending_by_exception():
            refuse_nul(arguments)
            run(arguments)
            sys.stdout.flush()
        end_undisturbed()
        return 0
    except LungSspError as error:
        code, sentence = 2, str(error)
    except OSError as error:
        code, sentence = 2, sentence_of(error)
    except MemoryError:
        code, sentence = 2, MEMORY
    except RecursionError:
        code, sentence = 2, "An input is nested too deeply to be read: look at the last file that you named."
    except ValueError as error:
        if "embedded null" not in str(error):
            raise
        code, sentence = 2, "A path in the configuration holds a NUL byte, which no path can: take it out."
    except Terminated:
        code, sentence = TERMINATED, "terminated"
    except (KeyboardInterrupt, ImportError) as error:
        if is_interruption(error):
            code, sentence = INTERRUPTED, "interrupted"
        elif is_want_of_memory(error):
            code, sentence = 2, MEMORY
        else:
            raise
    tell(f"lung-ssp {arguments.command}: {sentence}")
    end_undisturbed()
    return code


def refuse_nul(arguments: argparse.Namespace) -> None:
    """Refuse an argument with a NUL byte, by which every function of the system stops with an error of its own.

    Raises:
        ConfigError: naming it.
    """
    for name, value in vars(arguments).items():
        if any("\0" in str(part) for part in (value if isinstance(value, list) else [value])):
            raise ConfigError(f"The argument {name} holds a NUL byte, which no path can: take it out.")


def run(arguments: argparse.Namespace) -> None:
    """Load the libraries of a command, and run it."""
    command: Command = arguments.command_to_run
    load_libraries(command.libraries)
    command.run(arguments)
