"""How long the steps of a diagnosis take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def timed(step: str, seconds: dict[str, float]) -> Iterator[None]:
    """Note how long a step takes."""
    begin = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - begin
