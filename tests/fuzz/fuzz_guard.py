"""What a reader may not do: raise anything but a sentence, hang, take much memory, or write elsewhere."""

import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lung_ssp.ct.decoding import TEMPORARY
from lung_ssp.errors import LungSspError, sentence_of_system_error

LONGEST_SECONDS = 10
LARGEST_BYTES = 2 * 2**30  # beside what the process had before
LONGEST_SENTENCE = 2000  # characters
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}
IN_FOLDER = {"os.remove", "os.rmdir"}  # by an open folder, as shutil.rmtree does, which has an event of its own
TEMPORARY_FOLDERS = str(Path(tempfile.gettempdir()).resolve() / TEMPORARY)  # how their paths begin
TEMPORARY_PLACES = ("/dev/", TEMPORARY_FOLDERS)

_allowed: list[Path] = []
_written: list[str] = []


class Fault(AssertionError):
    """What a reader did that it may not do."""


def check(read: Callable[[], object], target: Path, folders: list[Path]) -> str:
    """Let a reader read; it must succeed, or raise an error of one sentence.

    An OSError of the system is as good as a sentence where it names the file, one of the target's or a temporary one.

    Args:
        target: the folder that it reads.
        folders: where it may write.

    Returns:
        the sentence, empty where it succeeded.

    Raises:
        Fault: it did anything else.
    """
    _watch_writing()
    _allowed[:] = [folder.resolve() for folder in folders]
    _written.clear()
    begin = time.monotonic()
    sentence, told = "", [b""]
    try:
        with _heard(told), _limits():
            read()
    except LungSspError as error:
        sentence = _checked(str(error))
    except OSError as error:
        if error.errno is None:
            raise Fault(f"an OSError that is none of the system: {error!r}") from error
        if not _is_named(error.filename, target):
            raise Fault(f"an OSError that names no file of the input: {error!r}") from error
        sentence = _checked(sentence_of_system_error(error))
    except MemoryError as error:
        raise Fault(f"more than {LARGEST_BYTES >> 20} MB of memory") from error
    finally:
        _allowed.clear()
    if time.monotonic() - begin > LONGEST_SECONDS:
        raise Fault(f"{time.monotonic() - begin:.0f} s")
    if told[0]:
        raise Fault(f"written to standard error past Python: {told[0][:300]!r}")
    if _written:
        raise Fault(f"written outside of the target: {_written[0]}")
    return sentence


def _is_named(file: object, target: Path) -> bool:
    if not isinstance(file, str | bytes | os.PathLike):
        return False
    place = Path(os.path.normpath(Path.cwd() / os.fsdecode(file)))  # links as they are: one may be a circle
    own = place.is_relative_to(Path.cwd() / target) or place.is_relative_to(target.resolve())
    return own or str(place).startswith(TEMPORARY_FOLDERS)


@contextmanager
def _heard(told: list[bytes]) -> Iterator[None]:
    """What libraries write to standard error themselves goes into `told`; Python's own, as a progress bar, does not."""
    stream, python, memory = os.dup(2), sys.stderr, os.memfd_create("heard")
    try:
        with os.fdopen(os.dup(2), "w") as sys.stderr:
            os.dup2(memory, 2)
            yield
    finally:
        sys.stderr = python
        os.dup2(stream, 2)
        told[0] = os.pread(memory, LONGEST_SENTENCE, 0)
        os.close(stream)
        os.close(memory)


def _checked(sentence: str) -> str:
    if not sentence or len(sentence) > LONGEST_SENTENCE or "Traceback" in sentence or "\n" in sentence.strip():
        raise Fault(f"not one sentence: {sentence[:300]!r} ({len(sentence)} characters)")
    return sentence


@contextmanager
def _limits() -> Iterator[None]:
    """An alarm, and a limit to the address space; the latter only where nothing runs that reserves it in advance."""

    def too_long(number: int, frame: Any) -> None:
        raise Fault(f"more than {LONGEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST_SECONDS)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + LARGEST_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


_hooked = False


def _watch_writing() -> None:
    """Note every file that is opened to be written, made, renamed or removed outside the allowed folders."""
    global _hooked
    if _hooked:
        return
    _hooked = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not _allowed:
            return
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        changed = event in CHANGES and not (event in IN_FOLDER and arguments[1] != -1)
        if opened or changed:
            _note(arguments[0])

    sys.addaudithook(hook)


def _note(path: Any) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return
    allowed, _allowed[:] = list(_allowed), []  # resolving opens nothing, but must not note itself
    try:
        place = Path(os.fsdecode(path))
        place = place.parent.resolve() / place.name
        if not any(place.is_relative_to(folder) for folder in allowed) and not str(place).startswith(TEMPORARY_PLACES):
            _written.append(str(place))
    finally:
        _allowed[:] = allowed
