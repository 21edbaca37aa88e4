"""Where the samples of one series lie, and its masks and slices where people have drawn its lesions."""

from pathlib import Path


def sample_path(out: Path, name: str) -> Path:
    """The file of a job's samples."""
    return out / f"{name}.npz"


def masks_path(out: Path, name: str) -> Path:
    """The file of a job's masks; only series with drawn lesions have one."""
    return out / f"{name}.masks.npz"


def sample_slices_path(out: Path, name: str) -> Path:
    """The file of a job's slices; only series with drawn lesions have one."""
    return out / f"{name}.slices.npz"
