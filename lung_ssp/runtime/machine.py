"""Facts of the machine that a run was computed on, and what the package's settings gain there."""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lung_ssp.runtime.libraries import package_version
from lung_ssp.runtime.process import cores, processor_vendor, set_here

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
MATRIX_SIZE = 1024


def device_facts() -> dict[str, Any]:
    """The device's name, the CUDA and cuDNN that this Paddle was built with, and the flags that choose algorithms."""
    import paddle
    from paddle.base import core

    facts: dict[str, Any] = {"name": paddle.device.get_device()}
    if paddle.device.is_compiled_with_cuda():
        facts |= {"cuda": paddle.version.cuda(), "cudnn": paddle.version.cudnn()}
        known = [name for name in DEVICE_FLAGS if name in core.globals().keys()]  # noqa: SIM118  (it is no dictionary)
        facts["flags"] = paddle.get_flags(known)
    if facts["name"].startswith("gpu"):
        properties = paddle.device.cuda.get_device_properties()
        facts["model"] = properties.name
        facts["memory_mb"] = round(properties.total_memory / 1e6)
        facts["compute_capability"] = f"{properties.major}.{properties.minor}"
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
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return os.environ.get("LUNG_SSP_COMMIT") or None
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
        changes = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+changes" if changes.stdout.strip() else "")
