"""Reports of benchmarks on disk."""

from pathlib import Path
from typing import Any

from lung_ssp.errors import DamagedFile, LungSspError
from lung_ssp.files import read_json, write_json

FORMAT = "lung_ssp benchmark 1"


def check_target(path: Path) -> None:
    """Make sure that a report may be written to `path`, before hours are spent on it.

    Raises:
        LungSspError: something else than a report is there.
    """
    if path.exists() and not is_report(path):
        raise LungSspError(f"{path} exists and is no benchmark's report: name another --json.")


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write a report, in place of an older one; raises as `check_target` does."""
    check_target(path)
    write_json(path, report)


def read_report(path: Path) -> dict[str, Any]:
    """Read a report.

    Raises:
        LungSspError: there is none.
    """
    if not is_report(path):
        raise LungSspError(
            f"{path} is no benchmark's report: make one with benchmark training|inference --json {path}."
        )
    return read_json(path)


def is_report(path: Path) -> bool:
    """Whether a file holds a benchmark's report of this format."""
    try:
        content = read_json(path)
    except (OSError, DamagedFile):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT
