"""Errors that the user can correct, each told in one clear sentence."""

from functools import partial
from typing import Any, Literal

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


def sentence_of_system_error(error: OSError) -> str:
    """What the system refused, and the file where it names one: "No space left on device (run/log.csv)"."""
    return f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
