"""What a command is, and the arguments that several commands have."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lung_ssp.interruption import ending_at_once
from lung_ssp.runtime import require_libraries

# Values of `Command.libraries`.
PADDLE = ("cv2", "paddle", "paddleseg")
OPENCV = ("cv2",)


@dataclass(frozen=True)
class Command:
    """One command, or one step of a command.

    run: does it; its docstring is the command's help. It imports what it needs when it is called, so that asking for
        help loads no Paddle.
    add_arguments: of this command alone.
    libraries: packages that need system libraries, loaded before `run`; a missing one is told in words.
    steps: its own commands; with `steps_metavar` and `steps_title`, how the help calls them.
    """

    name: str
    run: Callable[[argparse.Namespace], None]
    add_arguments: Callable[[argparse.ArgumentParser], None]
    libraries: tuple[str, ...] = ()
    steps: tuple["Command", ...] = ()
    steps_metavar: str = "STEP"
    steps_title: str = "steps"

    def add_to(self, commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        """Add this command, with its arguments and steps, to the commands of a parser."""
        parser = commands.add_parser(self.name, help=self.run.__doc__, description=self.run.__doc__)
        parser.set_defaults(command_to_run=self)
        self.add_arguments(parser)
        if self.steps:
            below = parser.add_subparsers(dest="step", metavar=self.steps_metavar, title=self.steps_title)
            for step in self.steps:
                step.add_to(below)


def load_libraries(names: Sequence[str]) -> None:
    """Load packages that need system libraries; meanwhile Ctrl-C ends the program at once.

    Raises:
        EnvironmentProblem: one is missing.
    """
    if names:
        with ending_at_once():
            require_libraries(*names)


def add_config(parser: argparse.ArgumentParser) -> None:
    """--config FILE, and -o KEY=VALUE."""
    parser.add_argument(
        "--config",
        required=True,
        metavar="FILE",
        help="YAML configuration, or the path of a shipped one, such as classification/table2.yml",
    )
    add_override(parser)


def add_override(parser: argparse.ArgumentParser) -> None:
    """-o KEY=VALUE."""
    parser.add_argument(
        "-o", dest="override", action="append", default=[], metavar="KEY=VALUE", help="override one setting"
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """The folder of a run."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device cpu|gpu."""
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to compute (cpu)")


def add_stepwise_cohort(parser: argparse.ArgumentParser) -> None:
    """--cohort NAME or --config FILE, of a cohort from public images."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--cohort", metavar="NAME", help="the shipped configuration cohort/NAME.yml")
    which.add_argument("--config", metavar="FILE", help="YAML configuration")
    add_override(parser)


def positive(text: str) -> int:
    """A whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def natural(text: str) -> int:
    """A whole number from 0 on."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value
