"""Whether the container computes: load the package, multiply two matrices on the device named (cpu or gpu)."""

import sys

from lung_ssp import runtime
from lung_ssp.errors import EnvironmentProblem

SIZE = 64


def main(device: str) -> str | None:
    """What is wrong, in one sentence; None where nothing is."""
    try:
        runtime.require_libraries("paddle")
        runtime.choose_device(device)
    except EnvironmentProblem as error:
        return str(error)
    import paddle

    product = paddle.ones([SIZE, SIZE]) @ paddle.ones([SIZE, SIZE])
    if not bool((product == SIZE).all()):
        return f"The product of two matrices of ones on the {device} is not {SIZE} everywhere."
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))  # a sentence is printed, and the exit code is 1: Docker keeps 2 for itself
