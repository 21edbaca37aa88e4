"""What a measurement asks of its device: to finish its work, how much memory was used, how fast it could be."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lung_ssp import runtime
from lung_ssp.runtime import MATRIX_SIZE, Device
from lung_ssp.training.settings import AmpLevel

MATRIX_SIZES = {"cpu": MATRIX_SIZE, "gpu": 4096}  # a smaller product is over before a GPU is busy
KILOBYTE = 1024


@dataclass(frozen=True)
class Memory:
    """The peak so far, in 1e6 bytes.

    resident: of the process in the computer's memory, libraries and data included.
    allocated, reserved: on a GPU, what tensors took, and what Paddle had taken from the device for them; else None.
    """

    resident: float
    allocated: float | None = None
    reserved: float | None = None

    @property
    def limiting(self) -> float:
        """What a device runs out of: reserved on a GPU, else resident."""
        return self.resident if self.reserved is None else self.reserved


def synchroniser(device: Device) -> Callable[[], None]:
    """A function that waits until the device has done all it was given; a CPU is done when a step returns."""
    if device == "cpu":
        return lambda: None
    import paddle

    return paddle.device.cuda.synchronize


def peak_memory(device: Device) -> Memory:
    """The peak memory of this process."""
    if device == "cpu":
        return Memory(peak_memory_mb())
    import paddle

    gpu = paddle.device.cuda
    return Memory(peak_memory_mb(), gpu.max_memory_allocated() / 1e6, gpu.max_memory_reserved() / 1e6)


def peak_memory_mb() -> float:
    """The peak resident memory of this process, in 1e6 bytes.

    From VmHWM of /proc/self/status: getrusage's figure may be that of the process that started this one.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * KILOBYTE / 1e6
    raise OSError("/proc/self/status holds no VmHWM")


def matrix_product_gflops(amp: AmpLevel, device: Device) -> float:
    """The rate of a large matrix product in Paddle, in float32 under O0 and in float16 under O1 and O2."""
    import paddle

    with paddle.amp.auto_cast(enable=amp != "O0"):
        return runtime.matrix_product_rate(MATRIX_SIZES[device])
