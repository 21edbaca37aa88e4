"""Whether a series on the disk is complete, by the index's number of files and size."""

from dataclasses import dataclass
from pathlib import Path

from lung_ssp.cohort.nlst.sizes import BYTES_OF_MB


@dataclass(frozen=True)
class Arrived:
    """The files of a series on disk and their size in bytes."""

    files: int
    size: int

    def problem(self, instances: int, size_mb: float, tolerance: float) -> str:
        """How they differ from what the index says, "" where they do not.

        Args:
            tolerance: by what share of the index's size the files may differ.
        """
        if self.files != instances:
            return f"{self.files} files, not {instances}"
        expected = size_mb * BYTES_OF_MB
        if abs(self.size - expected) > max(1.0, tolerance * expected):
            return f"{self.size} bytes, not {expected:.0f}"
        return ""


def measure(folder: Path) -> Arrived:
    """The files below a folder; none where there is no folder."""
    sizes = [path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()]
    return Arrived(len(sizes), sum(sizes))
