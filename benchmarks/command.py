"""What the scripts share: how a result is printed and an error told, and a clock."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lung_ssp.benchmark.report import as_json
from lung_ssp.errors import LungSspError, sentence_of_system_error

ResultT = TypeVar("ResultT")


def run(measure: Callable[[], ResultT], text: Callable[[ResultT], str] = as_json) -> int:
    """Print what `measure` returns as text, a dataclass as JSON; an error of the input is one sentence and code 2."""
    try:
        print(text(measure()))
    except LungSspError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(sentence_of_system_error(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def series_arguments(description: str | None) -> argparse.Namespace:
    """The arguments of a script that measures something on one CT series."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("series", type=Path, metavar="SERIES", help="folder of a CT series' DICOM files")
    parser.add_argument("--repeats", type=positive, default=5, metavar="N", help="how often (5)")
    return parser.parse_args()


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def seconds_of(work: Callable[[], object]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
