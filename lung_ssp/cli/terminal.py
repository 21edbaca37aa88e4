"""What commands print: visible text, to an output that may refuse it."""

import argparse
import os
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from lung_ssp.errors import sentence_of_system_error
from lung_ssp.files import naming
from lung_ssp.visible import visible

OUTPUT = Path("standard output")  # as messages call it
STREAMS = ("stdin", "stdout", "stderr")  # by their numbers


def say(text: str) -> None:
    """Print a command's result; an OSError names standard output."""
    with naming(OUTPUT):
        print(visible(text))


def open_streams() -> None:
    """Let standard input, output and error be the null device where they are closed.

    Else the next file to be opened would get the number of one of them, and what a library prints would go into it.
    """
    for number, name in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the smallest free number, which is this one
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def sentence_of(error: OSError) -> str:
    """What the system refused, and where: a file, standard output, or the working folder, which may be gone."""
    if error.filename is None and not working_folder_is_there():
        return "The working folder has been removed: change to another one."
    if error.filename is None and refuses(sys.stdout):
        error.filename = str(OUTPUT)
    return sentence_of_system_error(error)


def working_folder_is_there() -> bool:
    """Whether this process still has a working folder."""
    try:
        return bool(Path.cwd())
    except FileNotFoundError:
        return False


def refuses(stream: Any) -> bool:
    """Whether a stream does not take what was written to it: a full disk, a closed pipe."""
    try:
        stream.flush()
    except OSError:
        return True
    return False


def give_up_output() -> None:
    """Drop what standard output and standard error do not take, which Python would tell once more."""
    for stream in (sys.stdout, sys.stderr):
        if refuses(stream):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def tell(text: str) -> None:
    """Print an error, if standard error takes it."""
    give_up_output()
    with suppress(OSError):
        print(visible(text), file=sys.stderr)
    give_up_output()


class Parser(argparse.ArgumentParser):
    """A parser whose messages are visible text."""

    def _print_message(self, message: str, file: Any = None) -> None:
        try:
            with naming(OUTPUT) if file is sys.stdout else nullcontext():
                print(visible(message), file=file, end="", flush=True)
        except OSError as error:  # argparse would end as if the help had been printed
            tell(f"{self.prog}: {sentence_of(error)}")
            sys.exit(2)
