"""Errors that the user can correct, each told in one clear sentence."""

import traceback
from functools import partial
from pathlib import Path
from reprlib import Repr
from typing import Any, Literal

LONGEST_SHOWN = 120  # characters of a value in a message
LONGEST_REASON = 300  # characters of what a library says

SeriesProblem = Literal[
    "not found",
    "several series",
    "foreign file",
    "damaged",
    "compressed",
    "header",
    "too few slices",
    "mixed",
    "orientation",
    "duplicate",
    "gap",
    "irregular",
    "tilt",
    "implausible HU",
    "no lungs",
]


class LungSspError(Exception):
    """An error of the input: the message says what is wrong, where, and what to do.

    The command line prints the message alone and ends with exit code 2.
    """


class ConfigError(LungSspError):
    """A configuration file or an override on the command line is wrong."""


class EnvironmentProblem(LungSspError):
    """A system library, a package or a device is missing."""


class SeriesError(LungSspError):
    """A CT series cannot be read as one regular volume.

    reason: the kind of problem, one of a fixed list. Failures are counted by it: the sentence names files and UIDs.
    """

    def __init__(self, message: str, *, reason: SeriesProblem) -> None:
        super().__init__(message)
        self.reason = reason

    def in_words(self, message: str) -> "SeriesError":
        """The same problem, told otherwise."""
        return self.__class__(message, reason=self.reason)

    def __reduce__(self) -> tuple[Any, ...]:
        """For the way from a worker process: by default only the message would come back."""
        return partial(SeriesError, reason=self.reason), self.args


class SlideError(LungSspError):
    """A pathology slide cannot be read as one pyramid of colour images."""


class CohortError(LungSspError):
    """A cohort on disk is missing, incomplete or inconsistent."""


class CheckpointError(LungSspError):
    """A checkpoint or a run folder is corrupt, foreign or already in use."""


class TrainingError(LungSspError):
    """A training that cannot go on."""


class DamagedFile(LungSspError):
    """A file of the project's own that cannot be read back."""


def is_of_the_system(error: Exception) -> bool:
    """Whether the system refused something, as a full disk does.

    Libraries raise OSErrors of their own, without an error number: gzip and bz2 for damage, Paddle for lost
    connections.
    """
    return isinstance(error, OSError) and error.errno is not None


def sentence_of_system_error(error: OSError) -> str:
    """What the system refused, and the file where it names one: "No space left on device (run/log.csv)"."""
    return f"{error.strerror or error}{f' ({cut(error.filename)})' if error.filename else ''}"


def is_want_of_memory(error: BaseException) -> bool:
    """Whether a library could not be loaded because there is no memory for it, which the loader tells in words."""
    words = str(error).lower()
    return "failed to map segment" in words or "cannot allocate memory" in words


def place_of(error: BaseException) -> str:
    """The kind of an unexpected error and where it was raised: "TypeError (lesion.py:12 measure, ...)"."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = ", ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__} ({places})"


class _Short(Repr):
    """Writes the beginning of a value, however large it is, without making a text of all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, LONGEST_SHOWN, LONGEST_SHOWN

    def repr_str(self, value: str, level: int) -> str:
        cut = self.maxstring - 5
        return repr(value) if len(value) <= cut else f"{value[:cut]!r}..."

    def repr_int(self, value: int, level: int) -> str:
        digits = int(value.bit_length() * 0.30103) + 1  # Python refuses to write out more than 4,300
        return repr(value) if digits <= self.maxlong else f"a number of {digits:,} digits"


def shown(value: object) -> str:
    """A value as a message shows it: on one line, control characters escaped, at most LONGEST_SHOWN characters."""
    text = _Short().repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def cut(reason: object) -> str:
    """What a library says is wrong, on one line and of at most LONGEST_REASON characters; else the kind of error."""
    text = str(reason)[: 10 * LONGEST_REASON]
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split()) or type(reason).__name__
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 3]}..."
