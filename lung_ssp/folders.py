"""Folders in which a command works: alone, through no symbolic link, and over nothing that is not its own."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lung_ssp.errors import LungSspError
from lung_ssp.paths import is_temporary

LOCK = ".lock"


def leftovers(folder: Path) -> list[Path]:
    """The temporary files that a process left in a folder when it was killed in `write_atomically`."""
    return [
        path
        for path in sorted(folder.iterdir())
        if is_temporary(path.name) and path.is_file() and not path.is_symlink()
    ]


def tidy_below(root: Path) -> None:
    """Remove what killed processes have left half written in a folder of our own and in all folders below it.

    Raises:
        LungSspError: something there is a symbolic link, through which files would be written or removed elsewhere.
    """
    for name, folders, files in os.walk(root):
        refuse_links(Path(name), sorted([*folders, *files]))
        for temporary in leftovers(Path(name)):
            temporary.unlink()


def others_in(folder: Path) -> set[str]:
    """The names in a folder, without a lock and what killed processes have left half written."""
    left = {LOCK, *(path.name for path in leftovers(folder))}
    return {path.name for path in folder.iterdir()} - left


def check_empty(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        LungSspError: naming it.
    """
    if folder.exists() and (not folder.is_dir() or others_in(folder)):
        raise LungSspError(f"{folder} is not an empty folder: name another one, so that nothing is overwritten.")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep a second process out of what this one does in a folder, which is made; the lock falls with the process.

    What killed processes have left half written in the folder is removed. At the end the lock is, and the folder too
    if it was made here and holds nothing.

    Raises:
        LungSspError: another one works there, or the lock is a symbolic link.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    refuse_links(folder, [LOCK])
    path = folder / LOCK
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise LungSspError(f"Another process works in {folder}: wait for it, or end it.") from error
    try:
        for temporary in leftovers(folder):
            temporary.unlink()
        yield
    finally:
        with suppress(OSError):
            if path.stat().st_size == 0:  # as ours is; who waits for it notices that it is gone
                path.unlink()
            if made and not any(folder.iterdir()):
                folder.rmdir()
        lock.release()


def refuse_links(folder: Path, names: Iterable[str]) -> None:
    """Refuse symbolic links in a folder: what they point to, elsewhere, would be written over.

    Args:
        names: of what is written in the folder, e.g. "checkpoints" or "visualdl/run.log".

    Raises:
        LungSspError: naming the first link.
    """
    for name in names:
        if (folder / name).is_symlink():
            raise LungSspError(
                f"{folder / name} is a symbolic link, and what it points to would be written over: remove the link, "
                "or put a copy in its place."
            )
