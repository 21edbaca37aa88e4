"""The backward pass; an exception in it is the one that was raised."""

import re
from threading import BrokenBarrierError

import paddle

from lung_ssp.interruption import Terminated

OF_PYTHON = re.compile(r"\(External\) (\w+)")
KINDS: dict[str, type[BaseException]] = {
    kind.__name__: kind for kind in (KeyboardInterrupt, Terminated, MemoryError, BrokenBarrierError)
}


def backward(loss: paddle.Tensor) -> None:
    """Compute the gradients of a loss.

    Paddle makes an OSError of whatever is raised in a layer's own backward pass, which Python runs: also of Ctrl-C,
    whose exception comes in the first line of Python that is run after it.

    Raises:
        BaseException: KeyboardInterrupt, Terminated, MemoryError or BrokenBarrierError as they were raised; any other
            as Paddle's OSError.
    """
    try:
        loss.backward()
    except OSError as error:
        found = OF_PYTHON.match(str(error))
        if found is None or found[1] not in KINDS:
            raise
        raise KINDS[found[1]]() from error
