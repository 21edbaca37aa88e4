"""This processor as others of its kind are: with fewer instructions, which is set when a process starts."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from numpy.core._multiarray_umath import __cpu_dispatch__

HERE = Path(__file__).parent
AVX512 = [name for name in __cpu_dispatch__ if name.startswith("AVX512")]


@dataclass(frozen=True)
class Restriction:
    """A processor that is imitated: the environment does it, where the instructions `lacks` (NumPy's name) are there.

    The libraries choose their code by the processor, each in its own way: NumPy and OpenBLAS, which NumPy and SciPy
    have, the C library, OpenCV and the part of Intel's that it has, libjpeg-turbo in Pillow.
    """

    lacks: str
    environment: dict[str, str]


RESTRICTIONS = {
    "AVX2": Restriction(
        "AVX512_SKX",
        {
            "NPY_DISABLE_CPU_FEATURES": " ".join(AVX512),
            "OPENBLAS_CORETYPE": "Haswell",
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL",
            "OPENCV_IPP": "avx2",
        },
    ),
    "SSE": Restriction(
        "AVX2",
        {
            "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
            "OPENBLAS_CORETYPE": "Prescott",
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4,-SSE4_1,-SSE4_2",
            "OPENCV_CPU_DISABLE": "AVX512F,AVX2,AVX,FMA3,FP16,SSE4.2,SSE4.1",
            "OPENCV_IPP": "disabled",
            "JSIMD_FORCENONE": "1",
        },
    ),
}


@dataclass(frozen=True)
class Made:
    """What a process made.

    files: SHA-256 of each, by its name in the cohort's folder. fingerprint: the cohort's. probe: by library, a digest
    of what it computes. instructions: those that NumPy uses, by its names. nudged: by function, how many results had
    their last bits changed.
    """

    files: dict[str, str]
    fingerprint: str
    probe: dict[str, str]
    instructions: list[str]
    nudged: dict[str, int]


def make(folder: Path, config: str | Path, environment: dict[str, str] | None = None, more: Sequence[str] = ()) -> Made:
    """Make a cohort in a process of its own, see make_cohort.py for `more`."""
    command = [sys.executable, str(HERE / "make_cohort.py"), str(folder), str(config), *more]
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-3000:]}")
    return Made(**json.loads(done.stdout.splitlines()[-1]))


def different(one: Made, other: Made) -> list[str]:
    """The names of the files that differ, or that one of two cohorts lacks."""
    names = {*one.files, *other.files}
    return sorted(name for name in names if one.files.get(name) != other.files.get(name))
