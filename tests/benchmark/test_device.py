"""The memory of a process is its own."""

import subprocess
import sys

import pytest

from lung_ssp.benchmark.device import peak_memory_mb


def test_memory_is_this_process_own_and_never_falls() -> None:
    code = (
        "from lung_ssp.benchmark.device import peak_memory_mb as m\n"
        "a = m(); b = bytearray(200_000_000); c = m(); del b; print(a, c, m())"
    )
    before, with_it, after = map(
        float, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert with_it - before == pytest.approx(200, abs=10)
    assert after == pytest.approx(with_it, abs=1)
    assert peak_memory_mb() > 10
