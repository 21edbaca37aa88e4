"""How the program ends when it is asked to, by Ctrl-C (SIGINT) or SIGTERM, from its first moment on.

While libraries are loaded it ends at once: nothing is being written, and some libraries make another error of an
interruption. Later an exception passes through what cleans up. It imports little, so that it comes first.
"""

# pathlib takes longer to load than all of this
# ruff: noqa: PTH100, PTH118, PTH119, PTH120

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM  # exit codes, as a shell counts them
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
MODULE, SCRIPT = "lung_ssp.cli", "lung-ssp"
TOOLS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools")


class Terminated(SystemExit):
    """SIGTERM has arrived."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


def is_program() -> bool:
    """Whether this process is the command line, and not a notebook, a test or another program."""
    words = sys.orig_argv
    if "-m" in words:
        return words[words.index("-m") + 1 :][:1] == [MODULE]
    script = os.path.abspath(sys.argv[0]) if sys.argv else ""
    return os.path.basename(script) == SCRIPT or os.path.dirname(script) == TOOLS


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Within the block the program ends at once when it is asked to; any other process is left as it is."""
    if not is_program():
        yield
        return
    with _handled(_exit):
        yield


def end_at_once() -> None:
    """Let the program end at once when it is asked to, until another handler is set."""
    if is_program():
        _set(_exit)


def end_undisturbed() -> None:
    """Let the program, whose work is done, end with its own exit code when it is asked to while Python winds up.

    By then Python has taken every handler away, and the signal alone would be the exit code, without a word.
    """
    if is_program():
        _set(signal.SIG_IGN)


@contextmanager
def after_import(package: str, act: Callable[[], object]) -> Iterator[None]:
    """Within the block, call `act` once as soon as another module is imported after a package has been."""
    finder = _Waiting(package, act)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Waiting:
    """An importer that finds nothing."""

    def __init__(self, package: str, act: Callable[[], object]) -> None:
        self.package, self.act, self.done = package, act, False

    def find_spec(self, *_: object) -> None:
        spec = getattr(sys.modules.get(self.package), "__spec__", None)
        if not self.done and spec is not None and not getattr(spec, "_initializing", False):
            self.done = True
            self.act()


@contextmanager
def ending_by_exception() -> Iterator[None]:
    """Within the block Ctrl-C raises KeyboardInterrupt and SIGTERM raises Terminated; in the main thread only."""
    with _handled(_raise):
        yield


def is_interruption(error: BaseException | None) -> bool:
    """Whether an error comes from Ctrl-C, perhaps as what a library has made of it."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _exit(number: int, _: FrameType | None) -> NoReturn:
    with suppress(OSError):  # nobody may be there to read it
        os.write(2, f"{SCRIPT}: {WORDS[signal.Signals(number)]}\n".encode())
    os._exit(128 + number)


def _raise(number: int, _: FrameType | None) -> NoReturn:
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _default_in_child() -> None:
    """Let a forked worker end at once by SIGTERM, as its pool expects."""
    if signal.getsignal(signal.SIGTERM) in (_exit, _raise):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_default_in_child)


def _set(handler: object) -> None:
    for number in WORDS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup or a shell's background job wants it
            signal.signal(number, handler)  # type: ignore[arg-type]


@contextmanager
def _handled(handler: object) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in WORDS}
    _set(handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)
