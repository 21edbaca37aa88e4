"""Loading packages that need system libraries, and choosing the device: what is missing is told in words."""

import contextlib
import importlib
import importlib.metadata
import io
import sys
from collections.abc import Iterator

from lung_ssp.errors import EnvironmentFault

REMEDIES = {
    "cv2": "install the system's OpenGL library: apt-get install libgl1 libglib2.0-0",
    "paddle": "install Paddle: pip install paddlepaddle==2.6.2 (paddlepaddle-gpu==2.6.2 with a GPU)",
    "paddleseg": "install it with the tested versions: pip install -c constraints.txt -e .[cpu]",
}


def require_libraries(*modules: str) -> None:
    """Load packages that need system libraries, so that a missing one is told in words.

    Args:
        modules: which of REMEDIES; all where none is named.

    Raises:
        EnvironmentFault: saying what to install.
    """
    for module in modules or REMEDIES:
        try:
            with without_thread_advice():
                importlib.import_module(module)
        except ImportError as error:
            remedy = REMEDIES[module]
            if "libgomp" in str(error):
                remedy = "install the system's OpenMP library: apt-get install libgomp1"
            raise EnvironmentFault(f"The package {module} cannot be loaded ({error}): {remedy}.") from error


@contextlib.contextmanager
def without_thread_advice() -> Iterator[None]:
    """Hold back Paddle's advice on OMP_NUM_THREADS: it is for data-parallel processes, here one has all cores."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        yield
    for line in said.getvalue().splitlines():
        if "OMP_NUM_THREADS" not in line:
            print(line, file=sys.stderr)


def choose_device(name: str) -> str:
    """Put Paddle on "cpu" or "gpu" and return the name.

    Raises:
        EnvironmentFault: a GPU was asked for and there is none that this Paddle can use. Paddle itself would
            end the process.
    """
    import paddle

    if name == "gpu" and not paddle.device.is_compiled_with_cuda():
        raise EnvironmentFault(
            "--device gpu: this Paddle is a build for the CPU alone. "
            "Use --device cpu, or install paddlepaddle-gpu==2.6.2."
        )
    if name == "gpu" and paddle.device.cuda.device_count() == 0:
        raise EnvironmentFault(
            "--device gpu: Paddle sees no GPU. Use --device cpu, or see to it that nvidia-smi lists one "
            "(a container needs --gpus all)."
        )
    paddle.set_device(name)
    return name


def use_deterministic_algorithms(deterministic: bool) -> None:
    """Let a GPU use algorithms that give the same bits each time alone, or let cuDNN try which is fastest.

    A CPU gives the same bits anyway.
    """
    import paddle

    if paddle.device.is_compiled_with_cuda():
        paddle.set_flags(
            {"FLAGS_cudnn_deterministic": deterministic, "FLAGS_cudnn_exhaustive_search": not deterministic}
        )


def package_version(name: str) -> str | None:
    """The installed version of a package, None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
