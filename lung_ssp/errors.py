"""The faults a user can mend, each told in one clear sentence."""


class LungSspError(Exception):
    """A fault of the input: the message says what is wrong, where, and what to do.

    The command line prints the message alone and ends with exit code 2.
    """


class ConfigError(LungSspError):
    """A configuration file or an override on the command line is wrong."""


class EnvironmentFault(LungSspError):
    """A system library, a package or a device is missing."""


class SeriesError(LungSspError):
    """A CT series cannot be read as one regular volume."""


class CohortError(LungSspError):
    """A cohort on disk is missing, incomplete or inconsistent."""


class CheckpointError(LungSspError):
    """A checkpoint or a run folder is corrupt, foreign or already in use."""


class TrainingError(LungSspError):
    """A training that cannot go on."""


class DamagedFile(LungSspError):
    """A file of the project's own that cannot be read back."""
