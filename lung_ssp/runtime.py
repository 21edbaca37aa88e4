"""The process, its libraries and its machine. Importing this module loads no Paddle."""

import contextlib
import ctypes
import importlib
import importlib.metadata
import io
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import warnings

# zlib before Paddle, whose own zlib functions later libraries would take: mixed, they end in an error or a crash.
import zlib  # noqa: F401
from pathlib import Path
from typing import Any, Literal

from lung_ssp.errors import EnvironmentProblem, is_want_of_memory, sentence_of_system_error
from lung_ssp.interruption import after_import, is_interruption

Device = Literal["cpu", "gpu"]

M_TRIM_THRESHOLD = -1  # malloc.h
M_MMAP_THRESHOLD = -3
PR_SET_PDEATHSIG = 1  # prctl.h
PARENT = "LUNG_SSP_PARENT"  # in the environment of a process that ends with its parent: the parent's process id
VARIABLES = ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
PACKAGES = (
    "paddlepaddle",
    "paddlepaddle-gpu",
    "paddleseg",
    "visualdl",
    "onnxruntime",
    "numpy",
    "opencv-python",
    "SimpleITK",
    "scipy",
)
DEVICE_FLAGS = (  # of a GPU build alone
    "FLAGS_cudnn_deterministic",
    "FLAGS_cudnn_exhaustive_search",
    "FLAGS_cudnn_batchnorm_spatial_persistent",
    "FLAGS_conv_workspace_size_limit",
    "FLAGS_gemm_use_half_precision_compute_type",
    "FLAGS_embedding_deterministic",
)
MOST_THREADS = 1024
MATRIX_SIZE = 1024
REMEDIES = {
    "cv2": "install the system's OpenGL library: apt-get install libgl1 libglib2.0-0",
    "paddle": "install Paddle: pip install paddlepaddle==2.6.2 (paddlepaddle-gpu==2.6.2 with a GPU)",
    "paddleseg": "install it with the tested versions: pip install -c constraints.txt -e .[cpu]",
}
set_here: dict[str, str] = {}  # what this package has settled, for environment.json


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def c_function(name: str) -> Any:
    """A function of the C library, None where the system's library does not have it."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # on systems whose loader cannot name the process itself
        return None


def prepare_process() -> None:
    """Tie a worker to its parent, and set what Paddle reads when it is loaded, unless the user has set it already.

    - OMP_NUM_THREADS: Paddle takes one thread where it is unset; here, one for each core of the process.
    - MKL_DEBUG_CPU_TYPE=5, on AMD processors: the MKL that Paddle ships takes its slow path there without it.
    - malloc keeps large blocks: otherwise each temporary tensor goes back to the system and is faulted in again.
    """
    if (parent := os.environ.pop(PARENT, "")).isdecimal():  # popped: it is not for this process's own children
        end_with_parent(int(parent))
    variables = {"OMP_NUM_THREADS": str(cores())}
    if processor_vendor() == "AuthenticAMD":
        variables["MKL_DEBUG_CPU_TYPE"] = "5"
    for name, value in variables.items():
        if name not in os.environ:
            os.environ[name] = set_here[name] = value
    mallopt = None if {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} & set(os.environ) else c_function("mallopt")
    if mallopt is not None and mallopt(M_MMAP_THRESHOLD, 1 << 30) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1):
        set_here["mallopt"] = "large blocks are kept"
    # Silence Paddle's per-layer BatchNorm warning.
    warnings.filterwarnings("ignore", message="When training, we now always track global mean and variance")
    # A build for GPUs warns where there is none; choose_device refuses a missing GPU, and only if it was asked for.
    warnings.filterwarnings("ignore", message="You are using GPU version Paddle, but your CUDA device is not set")


def end_with_parent(parent: int) -> None:
    """Let the system kill this process as soon as its parent has ended, in whatever way; Linux only.

    By SIGKILL: Paddle's handler of SIGTERM may wait for ever for a lock of the interrupted thread. No file is
    damaged, since all are written atomically; the steps since the last checkpoint are repeated.

    Args:
        parent: its process id. If that process has already ended, this one ends here.
    """
    if (prctl := c_function("prctl")) is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def processor_vendor() -> str:
    """The vendor_id of /proc/cpuinfo, e.g. "AuthenticAMD"; empty where it is not told."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("vendor_id")), "")


def return_free_memory() -> None:
    """Give back to the system what malloc keeps, where the library can: before a pause, or before other work."""
    if (trim := c_function("malloc_trim")) is not None:
        trim(0)


def require_libraries(*modules: str) -> None:
    """Load packages that need system libraries, so that the error for a missing one says what to install.

    Args:
        modules: which of REMEDIES; all where none is named.

    Raises:
        EnvironmentProblem: saying what to install; or OMP_NUM_THREADS is no number of threads, by which Paddle crashes.
        KeyboardInterrupt, MemoryError: Ctrl-C or a want of memory, of which a library has made an ImportError.
    """
    modules = modules or tuple(REMEDIES)
    if "paddle" in modules:
        threads()  # before Paddle is loaded, which crashes by an impossible number
    for module in modules:
        printed = io.StringIO()
        try:
            with contextlib.redirect_stderr(printed), after_import("paddle.base", give_signals_back):
                importlib.import_module(module)
                if module == "paddle":
                    give_signals_back()
        except ImportError as error:
            if is_interruption(error):
                raise KeyboardInterrupt from error
            if is_want_of_memory(error):
                raise MemoryError from error
            remedy = REMEDIES[module]
            if "libgomp" in str(error):
                remedy = "install the system's OpenMP library: apt-get install libgomp1"
            raise EnvironmentProblem(f"The package {module} cannot be loaded ({error}): {remedy}.") from error
        except OSError as error:
            if error.filename is None:
                raise
            raise EnvironmentProblem(
                f"The package {module} cannot be loaded ({sentence_of_system_error(error)}): set HOME to a folder that "
                "can be written, since libraries keep files below it."
            ) from error
        for line in printed.getvalue().splitlines():
            if "OMP_NUM_THREADS" not in line:  # Paddle's advice for data-parallel processes; here one has all cores
                print(line, file=sys.stderr)


def threads() -> int:
    """The number of threads that Paddle and ONNX Runtime compute with: OMP_NUM_THREADS, else one for each core.

    Raises:
        EnvironmentProblem: OMP_NUM_THREADS is no number of threads; it says what it may be.
    """
    text = os.environ.get("OMP_NUM_THREADS", str(cores()))
    most = max(MOST_THREADS, cores())
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise EnvironmentProblem(
            f"OMP_NUM_THREADS is {text[:20]!r}, expected a number of threads from 1 to {most}: set it to one, or leave "
            "it unset."
        )
    return int(text)


def give_signals_back() -> None:
    """Take Paddle's own handlers away: its one of SIGTERM may wait for ever for a lock of the interrupted thread."""
    from paddle.base import core  # which sets them, when the rest of Paddle is not loaded yet

    core.disable_signal_handler()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM) or signal.SIG_DFL)


def choose_device(name: Device) -> None:
    """Let Paddle compute on "cpu" or "gpu".

    Raises:
        EnvironmentProblem: this Paddle can use no GPU, where Paddle itself would end the process.
    """
    import paddle

    if name == "gpu" and not paddle.device.is_compiled_with_cuda():
        raise EnvironmentProblem(
            "--device gpu: this Paddle is a build for the CPU alone. "
            "Use --device cpu, or install paddlepaddle-gpu==2.6.2."
        )
    if name == "gpu" and paddle.device.cuda.device_count() == 0:
        raise EnvironmentProblem(
            "--device gpu: Paddle sees no GPU. Use --device cpu, or see to it that nvidia-smi lists one "
            "(a container needs --gpus all)."
        )
    paddle.set_device(name)


def use_deterministic_algorithms(deterministic: bool) -> None:
    """Let a GPU use only algorithms that give the same bits each time, as a CPU does, or let cuDNN pick the fastest."""
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


def device_facts() -> dict[str, Any]:
    """The device's name, the CUDA and cuDNN that this Paddle was built with, and the flags that choose algorithms."""
    import paddle
    from paddle.base import core

    name = paddle.device.get_device()
    facts: dict[str, Any] = {"name": name}
    if paddle.device.is_compiled_with_cuda():
        facts |= {"cuda": paddle.version.cuda(), "cudnn": paddle.version.cudnn()}
        known = [name for name in DEVICE_FLAGS if name in core.globals().keys()]  # noqa: SIM118  (it is no dictionary)
        facts["flags"] = paddle.get_flags(known)
    if name.startswith("gpu"):
        gpu = paddle.device.cuda.get_device_properties()
        facts |= {"model": gpu.name, "memory_mb": round(gpu.total_memory / 1e6)}
        facts["compute_capability"] = f"{gpu.major}.{gpu.minor}"
    return facts


def matrix_product_rate(size: int = MATRIX_SIZE, repeats: int = 5) -> float:
    """GFLOP/s of Paddle's float32 matrix product of two (size, size) matrices, the best of some repeats."""
    import paddle

    a = paddle.ones([size, size])
    best = float("inf")
    for _ in range(repeats + 1):  # the first one loads the library
        begin = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best / 1e9


def rate_without_settings() -> float:
    """The same rate with Paddle as it is by itself: one thread, and MKL's own choice of path."""
    code = "from lung_ssp.runtime import matrix_product_rate; print(matrix_product_rate())"
    plain = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_DEBUG_CPU_TYPE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=True)
    return float(done.stdout)


def environment() -> dict[str, Any]:
    """What a run was computed with: versions, processor, threads, memory, and the measured matrix-product rate."""
    return {
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := package_version(name))},
        "commit": commit(),
        "processor": processor_vendor() or platform.processor(),
        "cores": cores(),
        "device": device_facts(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "set_by_package": dict(set_here),
        "matrix_product_gflops": round(matrix_product_rate(), 1),
    }


def commit() -> str | None:
    """The commit of the checkout this package runs from, with "+changes" where files differ.

    Outside one, what LUNG_SSP_COMMIT says, which an image sets when it is built; None where it says nothing.
    """
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return os.environ.get("LUNG_SSP_COMMIT") or None
    try:
        head, changes = (
            subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changes else "")
