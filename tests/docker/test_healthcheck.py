"""docker/healthcheck.py: silent where the device computes, one sentence where it does not."""

import runpy
from collections.abc import Callable
from pathlib import Path

import paddle
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docker" / "healthcheck.py"


@pytest.fixture
def check() -> Callable[[str], str | None]:
    function: Callable[[str], str | None] = runpy.run_path(str(SCRIPT))["main"]
    return function


def test_a_cpu_that_computes_is_well(check: Callable[[str], str | None]) -> None:
    assert check("cpu") is None


def test_a_missing_gpu_is_told(check: Callable[[str], str | None]) -> None:
    if paddle.device.is_compiled_with_cuda() and paddle.device.cuda.device_count():
        pytest.skip("this machine has a GPU")
    assert "--device gpu" in (check("gpu") or "")


def test_a_wrong_product_is_told(monkeypatch: pytest.MonkeyPatch, check: Callable[[str], str | None]) -> None:
    monkeypatch.setattr(paddle, "ones", paddle.zeros)
    assert "on the cpu is not 64" in (check("cpu") or "")
