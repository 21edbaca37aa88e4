"""What a measurement asks of its device: to be done, how much memory it took, and how fast it could be."""

from collections.abc import Callable
from typing import Any

from lung_ssp import runtime
from lung_ssp.benchmark.cases import AmpLevel, Engine
from lung_ssp.benchmark.memory import peak_memory_mb
from lung_ssp.runtime.machine import MATRIX_SIZE

MATRIX_SIZES = {"cpu": MATRIX_SIZE, "gpu": 4096}  # a product of the smaller ones is over before a GPU is busy


def wait_for(engine: Engine, device: str) -> Callable[[], None]:
    """What waits until the device has done all that the engine gave it; a CPU is done when a step returns."""
    if device == "cpu":
        return lambda: None
    return library_on_gpu(engine).synchronize


def memory_mb(engine: Engine, device: str) -> dict[str, float]:
    """The largest memory so far in 1e6 bytes.

    Returns:
        resident: of this process in the computer's memory, libraries and data included.
        allocated, reserved: on a GPU, what the tensors took, and what the engine had taken from the device for them.
    """
    memory = {"resident": peak_memory_mb()}
    if device == "gpu":
        library = library_on_gpu(engine)
        memory["allocated"] = library.max_memory_allocated() / 1e6
        memory["reserved"] = library.max_memory_reserved() / 1e6
    return memory


def library_on_gpu(engine: Engine) -> Any:
    """The engine's module for GPUs."""
    if engine == "torch":
        import torch

        return torch.cuda
    import paddle

    return paddle.device.cuda


def matrix_product_gflops(amp: AmpLevel, device: str) -> float:
    """The rate of a large matrix product with Paddle, in float32 under O0 and in float16 under O1 and O2."""
    import paddle

    with paddle.amp.auto_cast(enable=amp != "O0"):
        return runtime.matrix_product_rate(MATRIX_SIZES[device])
