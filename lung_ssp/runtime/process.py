"""How the process computes: threads, matrix products and memory, settled before Paddle is loaded."""

import ctypes
import os
import warnings
from pathlib import Path
from typing import Any

M_TRIM_THRESHOLD = -1  # malloc.h
M_MMAP_THRESHOLD = -3

set_here: dict[str, str] = {}  # what this package has settled, for environment.json


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def c_function(name: str) -> Any:
    """A function of the C library, None where the system's library does not have it."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # on systems whose loader cannot name the process itself
        return None


def prepare_process() -> None:
    """Set what Paddle reads when it is loaded, unless the user has set it already.

    - OMP_NUM_THREADS: Paddle takes one thread where it is unset; here, one for each core of the process.
    - MKL_DEBUG_CPU_TYPE=5, on AMD processors: the MKL that Paddle ships takes its slow path there without it.
    - malloc keeps large blocks: otherwise each temporary tensor goes back to the system and is faulted in again.
    """
    set_unless_given("OMP_NUM_THREADS", str(cores()))
    if processor_vendor() == "AuthenticAMD":
        set_unless_given("MKL_DEBUG_CPU_TYPE", "5")
    # Silence Paddle's per-layer BatchNorm warning.
    warnings.filterwarnings("ignore", message="When training, we now always track global mean and variance")
    # A build for GPUs warns where there is none: choose_device says it in words, and only to who asked for one.
    warnings.filterwarnings("ignore", message="You are using GPU version Paddle, but your CUDA device is not set")
    if keep_large_blocks():
        set_here["mallopt"] = "large blocks are kept"


def set_unless_given(name: str, value: str) -> None:
    """Set an environment variable that the user has left open, and remember that it was set here."""
    if name not in os.environ:
        os.environ[name] = value
        set_here[name] = value


def processor_vendor() -> str:
    """The vendor_id of /proc/cpuinfo, e.g. "AuthenticAMD"; empty where it is not told."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return ""
    for line in cpuinfo.read_text().splitlines():
        if line.startswith("vendor_id"):
            return line.split(":", 1)[1].strip()
    return ""


def keep_large_blocks() -> bool:
    """Tell glibc's malloc to keep freed memory of any size; says whether it took it."""
    if "MALLOC_MMAP_THRESHOLD_" in os.environ or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return False
    mallopt = c_function("mallopt")
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, 1 << 30) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def return_free_memory() -> None:
    """Give back to the system what malloc keeps, where the library can: before a pause, or before other work."""
    trim = c_function("malloc_trim")
    if trim is not None:
        trim(0)
